//! The messages that open a session: one each way, of constant size.

use crate::layout::ABI_VERSION;
use crate::reference::{REFERENCE_BYTES, Reference};
use crate::session::OpenError;
use crate::timing::Network;

/// Bytes of a request.
pub const REQUEST_BYTES: usize = REFERENCE + REFERENCE_BYTES;
/// Bytes of an answer.
pub const ANSWER_BYTES: usize = 256;
/// Longest name of a model, in bytes of UTF-8.
pub const MAX_MODEL_NAME: usize = 128;
/// Longest text of an answer, in bytes of UTF-8; longer ones are cut.
pub const MAX_TEXT: usize = 208;
/// First bytes of a request.
pub const REQUEST_MAGIC: [u8; 8] = *b"UNCODECQ";
/// First bytes of an answer.
pub const ANSWER_MAGIC: [u8; 8] = *b"UNCODECA";

/// Where the reference of a request begins.
const REFERENCE: usize = 160;

/// What a plugin asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenRequest {
    /// Name of the model.
    pub model: String,
    /// Seed of the noise; also in every hop's parameters.
    pub seed: u64,
    /// Process of the plugin's host, for display.
    pub host_pid: u32,
    /// The host renders: it waits for results, so that there is always room for it.
    pub may_wait: bool,
    /// Whose tonal balance what is added is drawn towards.
    pub reference: Option<Reference>,
}

impl OpenRequest {
    /// A request of this process, to play in real time, without a reference.
    #[must_use]
    pub fn new(model: impl Into<String>, seed: u64) -> Self {
        Self {
            model: model.into(),
            seed,
            host_pid: std::process::id(),
            may_wait: false,
            reference: None,
        }
    }

    pub(crate) fn encode(&self) -> Result<[u8; REQUEST_BYTES], OpenError> {
        if !is_name(&self.model) {
            return Err(OpenError::Model(self.model.clone()));
        }
        let mut message = [0; REQUEST_BYTES];
        put(&mut message, 0, &REQUEST_MAGIC);
        put(&mut message, 8, &ABI_VERSION.to_le_bytes());
        put(&mut message, 12, &self.host_pid.to_le_bytes());
        put(&mut message, 16, &self.seed.to_le_bytes());
        put(&mut message, 24, &(self.model.len() as u32).to_le_bytes());
        put(&mut message, 28, &u32::from(self.may_wait).to_le_bytes());
        put(&mut message, 32, self.model.as_bytes());
        if let Some(reference) = &self.reference {
            put(&mut message, REFERENCE, &reference.encode());
        }
        Ok(message)
    }

    pub(crate) fn decode(message: &[u8; REQUEST_BYTES]) -> Result<Self, OpenError> {
        let name = text(message, 24, 32, MAX_MODEL_NAME)?;
        if !is_name(&name) {
            return Err(OpenError::Message("the name of the model is none"));
        }
        let mut reference = [0; REFERENCE_BYTES];
        reference.copy_from_slice(&message[REFERENCE..]);
        let reference = Reference::decode(&reference)
            .map_err(|_| OpenError::Message("the reference is none"))?;
        Ok(Self {
            model: name,
            seed: u64_at(message, 16),
            host_pid: u32_at(message, 12),
            may_wait: u32_at(message, 28) != 0,
            reference,
        })
    }
}

/// What a core says when it accepts a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acceptance {
    /// Number of the session, for the core's status.
    pub session: u64,
    /// The facts of the network that serves it.
    pub network: Network,
    /// Version of the model, for display.
    pub version: String,
    /// Whether the session has a reference: the plugin's, or else the core's own.
    pub reference: bool,
}

const ACCEPTED: u32 = 0;
const REFUSED: u32 = 1;
const NOT_YET: u32 = 2;

/// What a core answers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Answer<'a> {
    Accepted(&'a Acceptance),
    /// With the reason.
    Refused(&'a str),
    /// With what it has to do first.
    NotYet(&'a str),
}

pub(crate) fn encode_answer(answer: Answer<'_>) -> [u8; ANSWER_BYTES] {
    let mut message = [0; ANSWER_BYTES];
    put(&mut message, 0, &ANSWER_MAGIC);
    put(&mut message, 8, &ABI_VERSION.to_le_bytes());
    let (status, text) = match answer {
        Answer::Accepted(acceptance) => {
            put(&mut message, 16, &acceptance.session.to_le_bytes());
            put(&mut message, 24, &acceptance.network.window.to_le_bytes());
            put(&mut message, 28, &acceptance.network.hop.to_le_bytes());
            put(&mut message, 36, &u32::from(acceptance.reference).to_le_bytes());
            (ACCEPTED, acceptance.version.as_str())
        }
        Answer::Refused(reason) => (REFUSED, reason),
        Answer::NotYet(reason) => (NOT_YET, reason),
    };
    let text = cut(text, MAX_TEXT);
    put(&mut message, 12, &status.to_le_bytes());
    put(&mut message, 32, &(text.len() as u32).to_le_bytes());
    put(&mut message, 40, text.as_bytes());
    message
}

pub(crate) fn decode_answer(message: &[u8; ANSWER_BYTES]) -> Result<Acceptance, OpenError> {
    // It will be shown.
    let text = text(message, 32, 40, MAX_TEXT)?.replace(char::is_control, "\u{fffd}");
    match u32_at(message, 12) {
        ACCEPTED => Ok(Acceptance {
            session: u64_at(message, 16),
            network: Network { window: u32_at(message, 24), hop: u32_at(message, 28) },
            version: text,
            reference: u32_at(message, 36) != 0,
        }),
        REFUSED => Err(OpenError::Refused(text)),
        NOT_YET => Err(OpenError::NotYet(text)),
        _ => Err(OpenError::Message("neither accepted nor refused")),
    }
}

fn is_name(name: &str) -> bool {
    (1..=MAX_MODEL_NAME).contains(&name.len()) && !name.contains(char::is_control)
}

/// The longest start of a text that fits, cut between characters.
fn cut(text: &str, bytes: usize) -> &str {
    let mut end = text.len().min(bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn put(message: &mut [u8], at: usize, bytes: &[u8]) {
    message[at..at + bytes.len()].copy_from_slice(bytes);
}

pub(crate) fn u32_at(message: &[u8], at: usize) -> u32 {
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&message[at..at + 4]);
    u32::from_le_bytes(bytes)
}

fn u64_at(message: &[u8], at: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&message[at..at + 8]);
    u64::from_le_bytes(bytes)
}

/// A text with its length in front.
fn text(message: &[u8], length_at: usize, at: usize, most: usize) -> Result<String, OpenError> {
    let length = u32_at(message, length_at) as usize;
    if length > most {
        return Err(OpenError::Message("a text is longer than its place"));
    }
    let text = std::str::from_utf8(&message[at..at + length])
        .map_err(|_| OpenError::Message("a text is not UTF-8"))?;
    Ok(text.to_owned())
}
