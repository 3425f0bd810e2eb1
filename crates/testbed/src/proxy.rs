//! A TCP proxy for one port of this machine, with a network in it that misbehaves.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// What the network does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// Nothing that one would notice.
    Good,
    /// Whatever passes waits so long first.
    Slow(Duration),
    /// Connections are closed, and new ones too.
    Cut,
    /// Connections stay open, and nothing passes: each side waits for the other. What was on its way arrives later.
    Silent,
}

/// The proxy. It goes with the process.
pub struct Proxy {
    pub port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    network: Mutex<Network>,
    changed: Condvar,
    open: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// Listens on a port of its own, and connects to `target`.
    pub fn start(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared =
            Arc::new(Shared { network: Mutex::new(Network::Good), changed: Condvar::new(), open: Mutex::default() });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // Whoever is refused here is refused by the network: a cut one closes the connection at once.
                let Ok(server) = TcpStream::connect(("127.0.0.1", target)) else { continue };
                accepting.carry(&client, &server);
            }
        });
        Self { port, shared }
    }

    /// From now on the network is like that, for open connections, too.
    pub fn set(&self, network: Network) {
        *self.shared.network() = network;
        self.shared.changed.notify_all();
        if network == Network::Cut {
            for stream in self.shared.open.lock().unwrap().drain(..) {
                // It may be closed already.
                drop(stream.shutdown(Shutdown::Both));
            }
        }
    }
}

impl Shared {
    fn network(&self) -> MutexGuard<'_, Network> {
        self.network.lock().unwrap()
    }

    fn carry(self: &Arc<Self>, client: &TcpStream, server: &TcpStream) {
        let network = self.network();
        if *network == Network::Cut {
            return;
        }
        let mut open = self.open.lock().unwrap();
        open.retain(|stream| stream.peer_addr().is_ok());
        for (from, to) in [(client, server), (server, client)] {
            drop(from.set_nodelay(true));
            let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) else { return };
            open.extend(from.try_clone());
            let shared = Arc::clone(self);
            std::thread::spawn(move || shared.pump(from, to));
        }
    }

    fn pump(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut bytes = vec![0; 256 * 1024];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            let network = *self.network();
            if let Network::Slow(delay) = network {
                std::thread::park_timeout(delay);
            }
            drop(self.changed.wait_while(self.network(), |network| *network == Network::Silent).unwrap());
            if to.write_all(&bytes[..count]).is_err() {
                break;
            }
        }
        // Either may be closed already.
        drop((from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn echo() -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut back = stream.try_clone().unwrap();
                std::thread::spawn(move || std::io::copy(&mut stream, &mut back));
            }
        });
        port
    }

    fn hears(stream: &mut TcpStream, within: Duration) -> Option<usize> {
        stream.set_read_timeout(Some(within)).unwrap();
        stream.read(&mut [0; 16]).ok()
    }

    #[test]
    fn silence_holds_back_and_a_cut_closes() {
        let proxy = Proxy::start(echo());
        let mut client = TcpStream::connect(("127.0.0.1", proxy.port)).unwrap();
        client.write_all(b"one").unwrap();
        assert_eq!(hears(&mut client, Duration::from_secs(10)), Some(3));

        proxy.set(Network::Silent);
        client.write_all(b"three").unwrap();
        assert_eq!(hears(&mut client, Duration::from_millis(200)), None);
        proxy.set(Network::Good);
        assert_eq!(hears(&mut client, Duration::from_secs(10)), Some(5));

        proxy.set(Network::Cut);
        assert!(matches!(hears(&mut client, Duration::from_secs(10)), None | Some(0)));
    }
}
