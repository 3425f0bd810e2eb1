//! The thinnest layer over librdkafka: no event queue, no delivery reports, messages consumed by the batch.

mod consumer;
mod producer;

use std::ffi::{CStr, CString, c_char};

use rdkafka_sys as rd;

pub use consumer::{Consumer, GroupMetadata};
pub use producer::{Producer, Topic};

/// What librdkafka says of a failure is all that there is to do about it here: print it.
pub type Outcome<T> = Result<T, String>;

const NO_ERROR: rd::rd_kafka_resp_err_t = rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;
const ERROR_BYTES: usize = 512;

fn c_string(text: &str) -> Outcome<CString> {
    CString::new(text).map_err(|error| error.to_string())
}

fn new_client(kind: rd::rd_kafka_type_t, settings: &[(&str, &str)]) -> Outcome<*mut rd::rd_kafka_t> {
    let mut error = [0 as c_char; ERROR_BYTES];
    // SAFETY: a configuration is made, filled with strings that live through the call, and handed over to the client,
    // which owns it from then on; on an error the process ends.
    unsafe {
        let configuration = rd::rd_kafka_conf_new();
        for (name, value) in settings {
            let (name, value) = (c_string(name)?, c_string(value)?);
            let set =
                rd::rd_kafka_conf_set(configuration, name.as_ptr(), value.as_ptr(), error.as_mut_ptr(), ERROR_BYTES);
            if set != rd::rd_kafka_conf_res_t::RD_KAFKA_CONF_OK {
                return Err(text(error.as_ptr()));
            }
        }
        let client = rd::rd_kafka_new(kind, configuration, error.as_mut_ptr(), ERROR_BYTES);
        if client.is_null() { Err(text(error.as_ptr())) } else { Ok(client) }
    }
}

/// # Safety
/// `pointer` is a string of C.
unsafe fn text(pointer: *const c_char) -> String {
    // SAFETY: by this function's own condition.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}

fn name_of(code: rd::rd_kafka_resp_err_t) -> String {
    // SAFETY: librdkafka has a constant string for every code.
    unsafe { text(rd::rd_kafka_err2str(code)) }
}

fn check(code: rd::rd_kafka_resp_err_t) -> Outcome<()> {
    if code == NO_ERROR { Ok(()) } else { Err(name_of(code)) }
}

/// # Safety
/// `error` is null or an error that librdkafka gave to the caller, who uses it no more.
unsafe fn check_error(what: &str, error: *mut rd::rd_kafka_error_t) -> Outcome<()> {
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: not null, and by this function's own condition ours to read and destroy.
    unsafe {
        let said = text(rd::rd_kafka_error_string(error));
        rd::rd_kafka_error_destroy(error);
        Err(format!("{what}: {said}"))
    }
}
