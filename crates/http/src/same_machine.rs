//! Without a token, identifiers are for this machine's own programs.
//!
//! Listening on loopback keeps other machines out, but not the pages in this machine's browser: a page can give its own
//! name the address 127.0.0.1 and then read what answers there. Its requests show that name as their `Host`.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, header, uri::Authority};

/// Whether what listens there is for this machine alone: no other one can reach it.
#[must_use]
pub fn is_for_this_machine(listen: SocketAddr) -> bool {
    is_of_this_machine(listen.ip())
}

/// Whether a request was meant for this machine, by the name that it was sent to.
#[must_use]
pub fn is_meant_for_this_machine(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST) else { return true }; // no browser leaves it out
    let Ok(authority) = Authority::try_from(host.as_bytes()) else { return false };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(is_of_this_machine)
}

fn is_of_this_machine(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test may panic")]

    use super::*;

    #[test]
    fn only_names_of_this_machine_are_meant_for_it() {
        let meant = |host: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            is_meant_for_this_machine(&headers)
        };
        for host in ["localhost", "LOCALHOST:9464", "127.0.0.1:9464", "127.1.2.3", "[::1]:9464", "[::ffff:127.0.0.1]"] {
            assert!(meant(host), "{host}");
        }
        for host in ["rebound.example:9464", "localhost.example", "10.0.0.1", "", "127.0.0.1.example", "[::2]:9464"] {
            assert!(!meant(host), "{host}");
        }
        assert!(is_meant_for_this_machine(&HeaderMap::new()));
    }
}
