use quell_wire::{Decoder, Format};

use crate::messages::any_message;
use crate::seeds::check;

#[test]
fn in_avro_and_in_json() {
    let decoder = Decoder::new(None);
    check(5_000, any_message(), |message| {
        for format in [Format::Avro, Format::Json] {
            let encoded = message.encode(format);
            assert_eq!(message.decode(&decoder, &encoded).unwrap(), message.raw(), "{format:?}");
        }
    });
}
