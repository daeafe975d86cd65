//! The composition root's home: listeners, TLS, telemetry, shutdown.
//!
//! - [`listen`]: the accept loop of TLS, for gRPC and the web.
//! - [`handshake`]: what failed handshakes are counted as, and how many run at once.
//! - [`serve`]: everything put together, and stopped in order.
//! - `sites`: the listeners of the published log and of the pages.
//! - [`core_dumps`]: none of a process that holds keys.
//! - `background`: what goes on beside answering.
//! - `ops`: whether it is alive and ready, and its numbers.
//! - `reload`: TLS files, exchanged while it serves.
//! - `spans`: where spans of calls go.
//! - [`telemetry`]: where tracing goes.
//! - `witness_client`: how checkpoints get to witnesses.
//! - [`tls`]: the gateway's TLS configuration from PEM texts, ready to be exchanged whole.

mod background;
pub mod core_dumps;
pub mod handshake;
pub mod listen;
mod ops;
mod provider_client;
mod reload;
pub mod serve;
mod sites;
mod spans;
pub mod telemetry;
pub mod tls;
mod witness_client;

#[cfg(test)]
mod tests;

pub use core_dumps::{CoreDumpError, forbid_core_dumps};
pub use handshake::{HandshakeFailure, HandshakeFailures, HandshakeLimits, HandshakeTally};
pub use listen::{Door, Incoming, ListenError, Listener, Rpc, TlsConnection, Web};
pub use serve::{Running, ServeError, enter, enter_first_partners, migrate, start, system_rng};
pub use tls::{TlsError, pages_config, server_config, web_config};
