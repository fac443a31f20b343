//! Opening a session: both ends, and whatever else may be at the other one.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod common;

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use common::{DelayCore, bits, block, settings};
use uncodec_proto::{
    ABI_VERSION, ANSWER_BYTES, ANSWER_MAGIC, Acceptance, CoreSession, Geometry, HostPath, HostSide,
    Network, OpenError, OpenRequest, OpenSession, REQUEST_BYTES, REQUEST_MAGIC, Reference,
    SharedMemory, accept_session, open_session, read_request, receive_session, send,
};

const SHORT: Duration = Duration::from_millis(80);
const LONG: Duration = Duration::from_secs(20);

/// A folder with a listening socket in it, gone at the end.
struct Place {
    folder: PathBuf,
    listener: UnixListener,
}

impl Place {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("uncodec-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("core.sock");
        let _ = fs::remove_file(&path);
        Self { listener: UnixListener::bind(path).unwrap(), folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.join("core.sock")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn geometry() -> Geometry {
    Geometry::new(&settings()).unwrap()
}

fn acceptance() -> Acceptance {
    Acceptance {
        session: 7,
        network: Network { window: 40, hop: 16 },
        version: "0.1.0".to_owned(),
        reference: true,
    }
}

/// A plugin that opens a session, against what the closure does with the connection.
fn against<T: Send + 'static>(
    name: &str,
    timeout: Duration,
    core: impl FnOnce(UnixStream) -> T + Send + 'static,
) -> (Result<OpenSession, OpenError>, T) {
    let place = Place::new(name);
    let memory = SharedMemory::create(&geometry()).unwrap();
    HostSide::create(&memory, geometry()).unwrap();
    let listener = place.listener.try_clone().unwrap();
    let core = thread::spawn(move || core(listener.accept().unwrap().0));
    let request = OpenRequest::new("live-gan", 99);
    let opened = open_session(&place.path(), &request, &memory, timeout);
    (opened, core.join().unwrap())
}

#[test]
fn a_session_is_opened_runs_and_ends_with_either_side() {
    let place = Place::new("runs");
    let memory = SharedMemory::create(&geometry()).unwrap();
    let listener = place.listener.try_clone().unwrap();
    let core = thread::spawn(move || -> CoreSession {
        let pending = accept_session(listener.accept().unwrap().0, LONG).unwrap();
        assert_eq!(pending.request().model, "live-gan");
        assert_eq!(pending.request().seed, 99);
        assert_eq!(pending.request().host_pid, std::process::id());
        assert_eq!(pending.side().geometry(), &geometry());
        pending.accept(&acceptance(), 5).unwrap()
    });
    let mut path = HostPath::new(HostSide::create(memory, geometry()).unwrap());
    let request = OpenRequest::new("live-gan", 99);
    let session = open_session(&place.path(), &request, path.side().memory(), LONG).unwrap();
    assert_eq!(session.acceptance(), &acceptance());
    assert_eq!(path.side().heartbeat_age(5), Some(Duration::ZERO));
    let core = core.join().unwrap();
    assert!(!core.is_over() && !session.is_over());

    path.activate();
    let mut buffer = block(2, 0, 16);
    path.push(&buffer).unwrap();
    let mut served = DelayCore::new(core.side, 1.0);
    served.run();
    path.pull(&mut buffer).unwrap();
    assert_eq!(served.taken.len(), 1);
    assert_eq!(bits(&buffer[0][15..]), bits(&[0.0]));

    let (session, core) = against("plugin-ends", LONG, |stream| {
        accept_session(stream, LONG).unwrap().accept(&acceptance(), 1).unwrap()
    });
    drop(session.unwrap());
    assert!(core.is_over());
    let (session, core) = against("core-ends", LONG, |stream| {
        accept_session(stream, LONG).unwrap().accept(&acceptance(), 1).unwrap()
    });
    let session = session.unwrap();
    assert!(!session.is_over());
    drop(core);
    assert!(session.is_over());
}

#[test]
fn the_request_can_be_read_before_the_memory_is_taken() {
    let (opened, session) = against("in-two-steps", LONG, |stream| {
        let request = read_request(&stream, LONG).unwrap();
        assert_eq!(request, OpenRequest::new("live-gan", 99));
        let pending = receive_session(stream, request, LONG).unwrap();
        pending.accept(&acceptance(), 1).unwrap()
    });
    assert_eq!(opened.unwrap().acceptance().session, 7);
    assert_eq!(session.side.geometry(), &geometry());
}

#[test]
fn a_refusal_tells_its_reason() {
    let refused = |name: &str, reason: &'static str| {
        let (opened, ()) =
            against(name, LONG, move |stream| accept_session(stream, LONG).unwrap().refuse(reason));
        match opened.unwrap_err() {
            OpenError::Refused(reason) => reason,
            error => panic!("{error}"),
        }
    };
    assert_eq!(refused("refused", "the model is not installed"), "the model is not installed");
    let long = refused("refused-at-length", Box::leak("ä".repeat(500).into_boxed_str()));
    assert_eq!(long, "ä".repeat(104), "cut between characters");
}

#[test]
fn a_core_that_is_not_ready_asks_to_come_again() {
    let (opened, ()) = against("not-yet", LONG, |stream| {
        accept_session(stream, LONG).unwrap().postpone("the model is being loaded");
    });
    let error = opened.unwrap_err();
    assert!(matches!(&error, OpenError::NotYet(text) if text == "the model is being loaded"));
    assert_eq!(error.to_string(), "the core is not ready: the model is being loaded");
}

#[test]
fn a_render_says_that_it_may_wait() {
    let place = Place::new("may-wait");
    for may_wait in [false, true] {
        let memory = SharedMemory::create(&geometry()).unwrap();
        HostSide::create(&memory, geometry()).unwrap();
        let listener = place.listener.try_clone().unwrap();
        let core = thread::spawn(move || {
            let pending = accept_session(listener.accept().unwrap().0, LONG).unwrap();
            let said = pending.request().may_wait;
            pending.refuse("");
            said
        });
        let request = OpenRequest { may_wait, ..OpenRequest::new("live-gan", 99) };
        let _ = open_session(&place.path(), &request, &memory, LONG);
        assert_eq!(core.join().unwrap(), may_wait);
    }
}

#[test]
fn a_reference_comes_with_the_request_or_does_not() {
    let levels: Vec<f32> = (0..128).map(|band| -0.5 * band as f32).collect();
    let some = Reference::new("song.flac", 46.875, 20_000.0, &levels).unwrap();
    for reference in [None, Some(some)] {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let core = thread::spawn(move || accept_session(theirs, LONG).map(|p| p.request().clone()));
        let memory = SharedMemory::create(&geometry()).unwrap();
        HostSide::create(&memory, geometry()).unwrap();
        let mut request = vec![0; REQUEST_BYTES];
        assert_eq!(REQUEST_BYTES, 760);
        request[..8].copy_from_slice(&REQUEST_MAGIC);
        request[8..12].copy_from_slice(&ABI_VERSION.to_le_bytes());
        request[24] = 3;
        request[32..35].copy_from_slice(b"gan");
        if let Some(reference) = &reference {
            request[160..].copy_from_slice(&reference.encode());
        }
        ours.write_all(&request).unwrap();
        send(&ours, &memory).unwrap();
        let taken = core.join().unwrap().unwrap();
        assert_eq!(taken.reference, reference);
        // And as a plugin sends it.
        let place = Place::new("reference");
        let listener = place.listener.try_clone().unwrap();
        let core = thread::spawn(move || {
            let pending = accept_session(listener.accept().unwrap().0, LONG).unwrap();
            let reference = pending.request().reference.clone();
            pending.refuse("");
            reference
        });
        let request = OpenRequest { reference, ..OpenRequest::new("gan", 0) };
        let _ = open_session(&place.path(), &request, &memory, LONG);
        assert_eq!(core.join().unwrap(), request.reference);
    }
}

#[test]
fn no_core_is_told_from_a_broken_one() {
    let memory = SharedMemory::create(&geometry()).unwrap();
    let open = |path: &Path| {
        open_session(path, &OpenRequest::new("live-gan", 0), &memory, SHORT).unwrap_err()
    };
    let place = Place::new("absent");
    assert!(matches!(open(&place.folder.join("none.sock")), OpenError::NotRunning { .. }));
    assert!(matches!(open(&place.folder.join("none/core.sock")), OpenError::NotRunning { .. }));
    let dead = place.folder.join("dead.sock");
    drop(UnixListener::bind(&dead).unwrap());
    assert!(matches!(open(&dead), OpenError::NotRunning { .. }));
    let file = place.folder.join("file.sock");
    fs::write(&file, "").unwrap();
    assert!(matches!(open(&file), OpenError::NotRunning { .. }));
    assert!(matches!(open(&place.folder.join("x".repeat(200))), OpenError::NotRunning { .. }));
    let name = OpenRequest::new("", 0);
    let error = open_session(&place.path(), &name, &memory, SHORT).unwrap_err();
    assert!(matches!(error, OpenError::Model(_)), "{error}");
}

#[test]
fn a_core_that_says_nothing_costs_the_time_limit() {
    let start = Instant::now();
    let (opened, stream) = against("silent", SHORT, |stream| stream);
    assert!(matches!(opened, Err(OpenError::Timeout(SHORT))), "{opened:?}");
    assert!(start.elapsed() >= SHORT);
    drop(stream);
    // Nobody accepts: the connection waits in the queue.
    let place = Place::new("stopped");
    let memory = SharedMemory::create(&geometry()).unwrap();
    let request = OpenRequest::new("live-gan", 0);
    let error = open_session(&place.path(), &request, &memory, SHORT).unwrap_err();
    assert!(matches!(error, OpenError::Timeout(_)), "{error}");
}

#[test]
fn a_core_that_drips_costs_no_more() {
    let (opened, ()) = against("drips", SHORT, |mut stream| {
        let mut answer = [0; ANSWER_BYTES];
        answer[..8].copy_from_slice(&ANSWER_MAGIC);
        answer[8..12].copy_from_slice(&ABI_VERSION.to_le_bytes());
        for byte in answer {
            if stream.write_all(&[byte]).is_err() {
                break;
            }
            thread::sleep(SHORT / 8);
        }
    });
    assert!(matches!(opened, Err(OpenError::Timeout(_))), "{opened:?}");
}

#[test]
fn answers_that_are_none_are_errors() {
    let answered = |name: &str, change: fn(&mut Vec<u8>)| {
        let mut answer = vec![0; ANSWER_BYTES];
        answer[..8].copy_from_slice(&ANSWER_MAGIC);
        answer[8..12].copy_from_slice(&ABI_VERSION.to_le_bytes());
        change(&mut answer);
        let (opened, ()) = against(name, LONG, move |mut stream| {
            stream.write_all(&answer).unwrap();
        });
        opened
    };
    assert!(answered("sound", |_| ()).is_ok());
    assert!(matches!(answered("empty", Vec::clear), Err(OpenError::Closed)));
    assert!(matches!(answered("half", |a| a.truncate(100)), Err(OpenError::Closed)));
    assert!(matches!(answered("other", |a| a[0] ^= 1), Err(OpenError::Message(_))));
    assert!(matches!(answered("newer", |a| a[8] = 77), Err(OpenError::AbiVersion(77))));
    assert!(matches!(answered("status", |a| a[12] = 3), Err(OpenError::Message(_))));
    assert!(matches!(answered("long", |a| a[33] = 2), Err(OpenError::Message(_))));
    let no_text = answered("no-utf8", |a| {
        a[32] = 1;
        a[40] = 0xff;
    });
    assert!(matches!(no_text, Err(OpenError::Message(_))));
    let beeps = answered("beeps", |a| {
        a[12] = 1;
        a[32] = 2;
        a[40..42].copy_from_slice(b"\x07!");
    });
    assert!(matches!(beeps, Err(OpenError::Refused(text)) if text == "\u{fffd}!"));
}

#[test]
fn requests_that_are_none_are_refused_with_the_reason() {
    let asked = |change: fn(&mut Vec<u8>), memory: bool| {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let mut request = vec![0; REQUEST_BYTES];
        request[..8].copy_from_slice(&REQUEST_MAGIC);
        request[8..12].copy_from_slice(&ABI_VERSION.to_le_bytes());
        request[24] = 3;
        request[32..35].copy_from_slice(b"gan");
        change(&mut request);
        ours.write_all(&request).unwrap();
        if memory {
            // Zeros are no session.
            send(&ours, &SharedMemory::create(&geometry()).unwrap()).unwrap();
        }
        let error = accept_session(theirs, SHORT).unwrap_err();
        let mut answer = Vec::new();
        let _ = ours.read_to_end(&mut answer);
        let length = answer.get(32).map_or(0, |&length| length as usize);
        let text = answer.get(40..40 + length).unwrap_or_default();
        (error, String::from_utf8(text.to_vec()).unwrap())
    };
    let (error, text) = asked(|_| (), true);
    assert!(matches!(error, OpenError::Header(_)), "{error}");
    assert!(text.contains("magic"), "{text}");
    let (error, text) = asked(|request| request[8] = 9, false);
    assert!(matches!(error, OpenError::AbiVersion(9)), "{error}");
    assert!(text.contains("abi_version=9"), "{text}");
    let http = |request: &mut Vec<u8>| *request = b"GET / HTTP/1.1\r\n\r\n".to_vec();
    let (error, text) = asked(http, false);
    assert!(matches!(error, OpenError::Message(_)), "{error}");
    assert!(text.contains("not of this protocol"), "{text}");
    let changes: [fn(&mut Vec<u8>); 5] =
        [|r| r[24] = 0, |r| r[25] = 1, |r| r[32] = 0xff, |r| r[32] = 7, |r| r[160] = 1];
    for change in changes {
        let (error, _) = asked(change, false);
        assert!(matches!(error, OpenError::Message(_)), "{error}");
    }
    let (error, _) = asked(|request| request.truncate(30), false);
    assert!(matches!(error, OpenError::Timeout(_)), "{error}");
    let (error, _) = asked(|_| (), false);
    assert!(matches!(error, OpenError::Timeout(_)), "{error}");
}

#[test]
fn what_belongs_to_another_user_is_refused() {
    let memory = SharedMemory::create(&geometry()).unwrap();
    let open = |path: &Path| {
        open_session(path, &OpenRequest::new("live-gan", 0), &memory, SHORT).unwrap_err()
    };
    let user = rustix::process::geteuid().as_raw();
    if user != 0 {
        let error = open(Path::new("/dev/null"));
        assert!(matches!(error, OpenError::Owner { owner: 0, .. }), "{error}");
        return;
    }
    let place = Place::new("foreign");
    let give = |path: &Path, user| std::os::unix::fs::chown(path, Some(user), None).unwrap();
    for path in [place.path(), place.folder.clone()] {
        give(&path, 12_345);
        let error = open(&place.path());
        assert!(matches!(error, OpenError::Owner { owner: 12_345, .. }), "{error}");
        give(&path, user);
        assert!(matches!(open(&place.path()), OpenError::Timeout(_)));
    }
}
