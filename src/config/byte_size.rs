//! Sizes as they stand in files.

/// Text that is no size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no size; write a whole number and KiB, MiB or GiB, as in \"512MiB\"")]
pub struct ByteSizeError(String);

/// A whole number and its unit: `64KiB`, `512MiB`, `2GiB`; or of bytes: `4096B`.
///
/// # Errors
/// When the text is none.
pub fn parse_byte_size(text: &str) -> Result<usize, ByteSizeError> {
    let error = || ByteSizeError(text.to_owned());
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits).ok_or_else(error)?;
    let number: usize = number.parse().map_err(|_| error())?;
    let bytes: usize = match unit.trim_start().to_ascii_lowercase().as_str() {
        "b" => 1,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return Err(error()),
    };
    number.checked_mul(bytes).ok_or_else(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_a_number_and_its_unit() {
        assert_eq!(parse_byte_size("4096B"), Ok(4096));
        assert_eq!(parse_byte_size("64KiB"), Ok(65_536));
        assert_eq!(parse_byte_size("512 mib"), Ok(536_870_912));
        assert_eq!(parse_byte_size("2GiB"), Ok(2_147_483_648));
        for wrong in ["", "512", "MiB", "512MB", "-1MiB", "1.5GiB", "18446744073709551615GiB", "٣MiB"] {
            assert!(parse_byte_size(wrong).is_err(), "{wrong}");
        }
    }
}
