//! What those who run the gateway are shown, and how.

use super::{ConfigError, file::OpsFile, file::TelemetryFile, is_here};
use http::Uri;
use std::{net::SocketAddr, path::Path, time::Duration};
use tracing_subscriber::filter::Targets;

/// The listener for those who run the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpsConfig {
    /// Where it listens: this machine itself, unless the file says that it may be elsewhere.
    pub listen: SocketAddr,
    /// How long a gateway that is to stop says so before it takes no more connections.
    pub notice: Duration,
}

/// What is written and sent about calls.
#[derive(Debug, Clone, Default)]
pub struct TelemetryConfig {
    /// Where spans go, an OTLP collector over gRPC; nowhere if not given.
    pub otlp: Option<Uri>,
    /// Of a hundred traces that begin here, how many are sent.
    pub sample_percent: u8,
    /// What the gateway writes about itself, where the command line does not say it.
    pub log: Option<Targets>,
}

pub(super) fn ops(file: &OpsFile, path: &Path) -> Result<OpsConfig, ConfigError> {
    let wrong = |entry, rule| ConfigError::Value { path: path.to_owned(), entry, rule };
    if !file.listen.ip().is_loopback() && !file.beyond_loopback {
        return Err(wrong(
            "ops.listen",
            "a loopback address (it asks nobody who he is), or beyond_loopback = true where only \
             the monitoring's own network reaches it",
        ));
    }
    Ok(OpsConfig { listen: file.listen, notice: Duration::from_secs(file.notice_seconds) })
}

pub(super) fn telemetry(file: &TelemetryFile, path: &Path) -> Result<TelemetryConfig, ConfigError> {
    let wrong = |entry, rule| ConfigError::Value { path: path.to_owned(), entry, rule };
    let otlp = file.otlp.as_ref().map(|text| {
        let rule = "http://host:port of a collector that takes OTLP over gRPC";
        let uri: Uri = text.parse().map_err(|_| wrong("telemetry.otlp", rule))?;
        // What is sent names nobody, but whoever reads it in between learns when calls come.
        match uri.scheme_str() {
            Some("http") if is_here(&uri) || file.beyond_loopback => Ok(uri),
            Some("http") => Err(wrong(
                "telemetry.otlp",
                "a collector on this machine, which passes spans on under TLS; or \
                 beyond_loopback = true where the network between is the monitoring's own",
            )),
            _ => Err(wrong("telemetry.otlp", rule)),
        }
    });
    if file.sample_percent > 100 {
        return Err(wrong("telemetry.sample_percent", "0 to 100"));
    }
    let log = file.log.as_ref().map(|text| {
        let rule = "a level like warn, info or debug, or a list like info,tallygate=debug";
        text.parse::<Targets>().map_err(|_| wrong("telemetry.log", rule))
    });
    Ok(TelemetryConfig {
        otlp: otlp.transpose()?,
        sample_percent: file.sample_percent,
        log: log.transpose()?,
    })
}
