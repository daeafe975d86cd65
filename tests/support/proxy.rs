//! A network that goes wrong to order: a listener on loopback that hands bytes on between
//! whoever connects and a server, until it is told to let only so many more through, or none,
//! in either direction, and to cut every connection.
//!
//! Where answers are lost and requests are not, what was asked is done and reported as failed.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split},
    net::{TcpListener, TcpStream, UnixStream},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

/// Where bytes are handed on to.
#[derive(Clone)]
pub(crate) enum Server {
    Tcp(String),
    Unix(PathBuf),
}

/// Far more bytes than anybody sends.
const ALL: i64 = i64::MAX / 2;

struct State {
    /// How many more bytes may pass: towards the server, and back.
    left: [AtomicI64; 2],
    /// Cancelled by a cut; `None` while connections are refused.
    line: Mutex<Option<CancellationToken>>,
}

/// A running proxy; it ends with this value.
pub(crate) struct Proxy {
    pub(crate) address: String,
    state: Arc<State>,
    _accepting: AbortOnDropHandle<()>,
}

impl Proxy {
    pub(crate) async fn start(server: Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::new(State {
            left: [AtomicI64::new(ALL), AtomicI64::new(ALL)],
            line: Mutex::new(Some(CancellationToken::new())),
        });
        let accepting = tokio::spawn(accept(listener, server, Arc::clone(&state)));
        Self { address, state, _accepting: AbortOnDropHandle::new(accepting) }
    }

    /// From now on so many bytes more pass towards the server, and so many back; what comes
    /// behind them is lost. `None`: as many as there are.
    pub(crate) fn starve(&self, requests: Option<u32>, answers: Option<u32>) {
        for (left, now) in self.state.left.iter().zip([requests, answers]) {
            left.store(now.map_or(ALL, i64::from), Ordering::SeqCst);
        }
    }

    /// Ends every connection; further ones are closed as they come.
    pub(crate) fn cut(&self) {
        if let Some(line) = self.state.line.lock().unwrap().take() {
            line.cancel();
        }
    }

    /// Everything passes again.
    pub(crate) fn heal(&self) {
        self.starve(None, None);
        self.state.line.lock().unwrap().get_or_insert_default();
    }
}

async fn accept(listener: TcpListener, server: Server, state: Arc<State>) {
    loop {
        let Ok((caller, _)) = listener.accept().await else { continue };
        let Some(line) = state.line.lock().unwrap().clone() else { continue };
        let (server, state) = (server.clone(), Arc::clone(&state));
        tokio::spawn(async move {
            let serving = async {
                caller.set_nodelay(true)?;
                match server {
                    Server::Tcp(address) => {
                        let stream = TcpStream::connect(address).await?;
                        stream.set_nodelay(true)?;
                        between(caller, stream, &state).await
                    }
                    Server::Unix(path) => {
                        between(caller, UnixStream::connect(path).await?, &state).await
                    }
                }
            };
            // Both ends are closed with this task, however it ends.
            tokio::select! {
                () = line.cancelled() => {}
                _ = serving => {}
            }
        });
    }
}

async fn between(
    caller: TcpStream,
    server: impl AsyncRead + AsyncWrite,
    state: &State,
) -> io::Result<()> {
    let (from_caller, to_caller) = split(caller);
    let (from_server, to_server) = split(server);
    // Whichever ends first ends both.
    tokio::select! {
        done = pump(from_caller, to_server, &state.left[0]) => done,
        done = pump(from_server, to_caller, &state.left[1]) => done,
    }
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    left: &AtomicI64,
) -> io::Result<()> {
    let mut buffer = [0; 16 << 10];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        let wanted = i64::try_from(read).unwrap();
        let left = left.fetch_sub(wanted, Ordering::SeqCst).clamp(0, wanted);
        to.write_all(&buffer[..usize::try_from(left).unwrap()]).await?;
    }
}
