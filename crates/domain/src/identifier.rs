//! Identifiers: the names by which systems know a consumer.

use std::borrow::Cow;
use std::fmt;

use smallvec::SmallVec;
use xxhash_rust::xxh3::xxh3_64;

use crate::shard::{ShardCount, ShardNumber};

/// Types that are stored as a code. A code is its type's for ever; 0 stands before a name in full.
const WELL_KNOWN_TYPES: [(u8, &str); 8] = [
    (1, "cookie_id"),
    (2, "email_sha256"),
    (3, "account_id"),
    (4, "device_id"),
    (5, "phone_sha256"),
    (6, "household_id"),
    (7, "maid"),
    (8, "ip_address"),
];
const TYPE_IN_FULL: u8 = 0;

/// How a value is stored; the lower bits of the first byte.
const FORM_BITS: u8 = 2;
const TEXT: u8 = 0;
const UUID: u8 = 1;
const HEX: u8 = 2;

/// Below this, hexadecimal digits may as well be a number or a word.
const HEX_DIGITS_MIN: usize = 16;

/// A `(type, value)` pair, in its stored form: `[type code, form][name of the type, if it has no code][value]`, so that
/// most are a few bytes long, need no allocation, and can be written as they are.
///
/// Two are equal if and only if type and value are. `Debug` and `Display` show the type and a short hash, never the
/// value: no log and no panic message tells who somebody is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identifier(SmallVec<[u8; 40]>);

/// Not an identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentifierError {
    /// The value has no byte, or more than [`Identifier::VALUE_BYTES_MAX`].
    #[error("value is empty or longer than 512 bytes")]
    ValueLength,
    /// The type's name is none: see [`crate::is_name`].
    #[error("type is not a name of letters, digits, '_', '-' and '.'")]
    TypeName,
    /// Bytes that are no stored form.
    #[error("stored identifier cannot be read")]
    Stored,
}

impl Identifier {
    /// The longest value.
    pub const VALUE_BYTES_MAX: usize = 512;

    /// An identifier of a type with a value, which is taken as it is.
    ///
    /// # Errors
    /// When the type is no name, or the value is empty or too long.
    pub fn new(identifier_type: &str, value: &str) -> Result<Self, IdentifierError> {
        if value.is_empty() || value.len() > Self::VALUE_BYTES_MAX {
            return Err(IdentifierError::ValueLength);
        }
        if !crate::is_name(identifier_type) {
            return Err(IdentifierError::TypeName);
        }
        let uuid = uuid_bytes(value);
        let hex = if uuid.is_none() { hex_bytes(value) } else { None };
        let form = if uuid.is_some() {
            UUID
        } else if hex.is_some() {
            HEX
        } else {
            TEXT
        };
        let mut bytes = SmallVec::new();
        match WELL_KNOWN_TYPES.iter().find(|(_, name)| *name == identifier_type) {
            Some((code, _)) => bytes.push(code << FORM_BITS | form),
            None => {
                bytes.push(TYPE_IN_FULL << FORM_BITS | form);
                // A name has at most NAME_BYTES_MAX bytes.
                bytes.push(u8::try_from(identifier_type.len()).map_err(|_| IdentifierError::TypeName)?);
                bytes.extend_from_slice(identifier_type.as_bytes());
            }
        }
        match (uuid, hex) {
            (Some(uuid), _) => bytes.extend_from_slice(&uuid),
            (None, Some(hex)) => bytes.extend_from_slice(&hex),
            (None, None) => bytes.extend_from_slice(value.as_bytes()),
        }
        Ok(Self(bytes))
    }

    /// The identifier of a stored form.
    ///
    /// # Errors
    /// When the bytes are none.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, IdentifierError> {
        let parts = Parts::of(bytes).ok_or(IdentifierError::Stored)?;
        let well_formed = match parts.form {
            UUID => parts.value.len() == 16,
            HEX => !parts.value.is_empty(),
            TEXT => !parts.value.is_empty() && std::str::from_utf8(parts.value).is_ok(),
            _ => false,
        };
        if well_formed { Ok(Self(SmallVec::from_slice(bytes))) } else { Err(IdentifierError::Stored) }
    }

    /// The stored form.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The type's name.
    #[must_use]
    pub fn identifier_type(&self) -> &str {
        Parts::of(&self.0).map_or("", |parts| parts.identifier_type)
    }

    /// The code of a well-known type.
    pub(crate) fn type_code(&self) -> Option<u8> {
        self.0.first().map(|first| first >> FORM_BITS).filter(|code| *code != TYPE_IN_FULL)
    }

    /// The code of a type's name, if it is well known.
    pub(crate) fn code_of_type(name: &str) -> Option<u8> {
        WELL_KNOWN_TYPES.iter().find(|(_, known)| *known == name).map(|(code, _)| *code)
    }

    /// The value.
    #[must_use]
    pub fn value(&self) -> Cow<'_, str> {
        let Some(parts) = Parts::of(&self.0) else { return Cow::Borrowed("") };
        match parts.form {
            UUID => Cow::Owned(parts.value.try_into().map_or_else(|_| String::new(), uuid_text)),
            HEX => Cow::Owned(hex_text(parts.value)),
            _ => String::from_utf8_lossy(parts.value),
        }
    }

    /// `type:value`, the key of its suppressions.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}:{}", self.identifier_type(), self.value())
    }

    /// XXH3 of the stored form: the same for ever, since an identifier's shard follows from it.
    #[must_use]
    pub fn hash64(&self) -> u64 {
        xxh3_64(&self.0)
    }

    /// The shard that it belongs to.
    #[must_use]
    pub fn shard(&self, shards: ShardCount) -> ShardNumber {
        shards.shard_of(self.hash64())
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{:08x}", self.identifier_type(), self.hash64() >> 32)
    }
}

impl fmt::Debug for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

struct Parts<'a> {
    identifier_type: &'a str,
    form: u8,
    value: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let (first, rest) = bytes.split_first()?;
        let form = first & ((1 << FORM_BITS) - 1);
        let code = first >> FORM_BITS;
        if code == TYPE_IN_FULL {
            let (length, rest) = rest.split_first()?;
            let (name, value) = rest.split_at_checked(usize::from(*length))?;
            return Some(Self { identifier_type: std::str::from_utf8(name).ok()?, form, value });
        }
        let (_, identifier_type) = WELL_KNOWN_TYPES.iter().find(|(known, _)| *known == code)?;
        Some(Self { identifier_type, form, value: rest })
    }
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

fn hex_text(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| DIGITS.get(usize::from(digit)).copied().map_or('0', char::from)).collect()
}

fn hex_bytes(text: &str) -> Option<SmallVec<[u8; 32]>> {
    if text.len() < HEX_DIGITS_MIN || !text.len().is_multiple_of(2) {
        return None;
    }
    let pairs = text.as_bytes().chunks_exact(2);
    pairs.map(|pair| Some(digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?)).collect()
}

/// The 16 bytes of a UUID in its canonical form: lower-case, with hyphens. None for any other text.
#[must_use]
pub fn uuid_bytes(text: &str) -> Option<[u8; 16]> {
    let text = text.as_bytes();
    if text.len() != 36 || HYPHENS.iter().any(|at| text.get(*at) != Some(&b'-')) {
        return None;
    }
    let mut bytes = [0; 16];
    let mut digits = text.iter().enumerate().filter(|(at, _)| !HYPHENS.contains(at)).map(|(_, byte)| digit(*byte));
    for byte in &mut bytes {
        *byte = digits.next()?? << 4 | digits.next()??;
    }
    Some(bytes)
}

/// The canonical form of a UUID.
#[must_use]
pub fn uuid_text(bytes: &[u8; 16]) -> String {
    let mut text = hex_text(bytes);
    HYPHENS.iter().for_each(|at| text.insert(*at, '-'));
    text
}
