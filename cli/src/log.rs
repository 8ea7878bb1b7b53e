//! Warnings on standard error, one line each: `verity: warning: words`.

use std::fmt;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::quoted::Plain;

/// Sends warnings (and with `verbose` more) to standard error.
pub(crate) fn install(verbose: bool) {
    let level = if verbose { Level::DEBUG } else { Level::WARN };
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .event_format(OneLine)
        .finish();
    // It fails only if one is installed already, and then that one serves.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

struct OneLine;

impl<S, N> FormatEvent<S, N> for OneLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let kind = if *event.metadata().level() == Level::WARN { "warning: " } else { "" };
        // Whatever a server, a file or a client has said in it.
        let mut words = String::new();
        context.format_fields(Writer::new(&mut words), event)?;
        writeln!(writer, "verity: {kind}{}", Plain(&words))
    }
}
