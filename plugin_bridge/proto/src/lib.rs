#![doc = include_str!("../README.md")]

mod core_side;
mod counters;
mod fade;
mod geometry;
mod header;
mod host_path;
mod host_side;
mod layout;
mod level;
mod memory;
#[cfg(all(loom, test))]
mod model;
mod parameters;
mod reference;
mod slot;
mod sync;
mod timing;
mod wait;

#[cfg(all(target_os = "linux", not(all(loom, test))))]
mod messages;
#[cfg(all(target_os = "linux", not(all(loom, test))))]
mod passing;
#[cfg(all(target_os = "linux", not(all(loom, test))))]
mod session;
#[cfg(all(target_os = "linux", not(all(loom, test))))]
mod shared;

pub use core_side::{CoreSide, HopTicket, PublishError, Start};
pub use counters::{CoreCounters, HostCounters};
pub use geometry::{
    Geometry, GeometryError, HostSettings, MAX_BLOCK, MAX_CHANNELS, MAX_HOP, MAX_LATENCY,
    MAX_SAMPLE_RATE, MAX_SLOTS, MAX_TAIL, MIN_SAMPLE_RATE, MIN_SLOTS,
};
pub use header::HeaderError;
pub use host_path::{BlockError, HostPath, finite};
pub use host_side::{Fetch, HostSide, SubmitError};
pub use layout::{ABI_VERSION, HEADER_BYTES, Layout, MAGIC, MAX_BYTES, word};
pub use memory::{BufferError, HeapMemory, Memory};
pub use parameters::{MOST_BRIGHTNESS_DB, Parameters};
pub use reference::{
    MAX_BANDS, MAX_REFERENCE_NAME, MOST_LEVEL_DB, REFERENCE_BYTES, Reference, ReferenceError,
};
pub use slot::tag;
pub use timing::{HIGHEST_RATE, LOWEST_RATE, Network, Timing, TimingError};
pub use wait::OfflineWait;

#[cfg(all(target_os = "linux", not(all(loom, test))))]
pub use messages::{
    ANSWER_BYTES, ANSWER_MAGIC, Acceptance, MAX_MODEL_NAME, MAX_TEXT, OpenRequest, REQUEST_BYTES,
    REQUEST_MAGIC,
};
#[cfg(all(target_os = "linux", not(all(loom, test))))]
pub use passing::{PassError, receive, send};
#[cfg(all(target_os = "linux", not(all(loom, test))))]
pub use session::{
    CoreSession, OpenError, OpenSession, PendingSession, accept_session, open_session,
    read_request, receive_session, socket_path,
};
#[cfg(all(target_os = "linux", not(all(loom, test))))]
pub use shared::{MapError, SharedMemory};
