//! What hosts look for in the file: the binding's entry, with one thing changed.
//!
//! The binding panics at a transport whose event header is not filled in, and the host gets an error and no sound.
//! Qtractor 0.9.31 passes such a transport with every block. The plugin has no use for a transport, so none gets to
//! the binding.

use std::ffi::{CStr, c_char, c_void};
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, Ordering};

use clack_plugin::clack_entry;
use clack_plugin::entry::{EntryDescriptor, SinglePluginEntry};
use clap_sys::factory::plugin_factory::{CLAP_PLUGIN_FACTORY_ID, clap_plugin_factory};
use clap_sys::host::clap_host;
use clap_sys::plugin::{clap_plugin, clap_plugin_descriptor};
use clap_sys::process::{CLAP_PROCESS_ERROR, clap_process, clap_process_status};

use crate::plugin::Uncodec;

static BINDING: EntryDescriptor = clack_entry!(SinglePluginEntry<Uncodec>);

/// The symbol by which hosts know a CLAP.
#[allow(non_upper_case_globals)]
// SAFETY: no other symbol of a plugin has this name.
#[unsafe(no_mangle)]
pub static clap_entry: EntryDescriptor =
    EntryDescriptor { get_factory: Some(get_factory), ..BINDING };

/// The binding's factory, once a host asked for it.
static FACTORY: AtomicPtr<clap_plugin_factory> = AtomicPtr::new(ptr::null_mut());

static OURS: clap_plugin_factory = clap_plugin_factory {
    get_plugin_count: Some(get_plugin_count),
    get_plugin_descriptor: Some(get_plugin_descriptor),
    create_plugin: Some(create_plugin),
};

type ProcessFunction =
    unsafe extern "C" fn(*const clap_plugin, *const clap_process) -> clap_process_status;

/// The binding's `process`, the same for all instances.
static PROCESS: OnceLock<ProcessFunction> = OnceLock::new();

unsafe extern "C" fn get_factory(identifier: *const c_char) -> *const c_void {
    let Some(theirs) = BINDING.get_factory else { return ptr::null() };
    // SAFETY: the host passes a string, as the format wants it.
    let (factory, wanted) = unsafe { (theirs(identifier), CStr::from_ptr(identifier)) };
    if factory.is_null() || wanted != CLAP_PLUGIN_FACTORY_ID {
        return factory;
    }
    FACTORY.store(factory.cast_mut().cast(), Ordering::Release);
    (&raw const OURS).cast()
}

/// The binding's factory, and what it answers; none before a host asked for the factory.
fn ask<T>(question: impl FnOnce(&clap_plugin_factory) -> Option<T>) -> Option<T> {
    // SAFETY: null, or the binding's factory, which stays as long as the module is initialised.
    unsafe { FACTORY.load(Ordering::Acquire).as_ref() }.and_then(question)
}

unsafe extern "C" fn get_plugin_count(_factory: *const clap_plugin_factory) -> u32 {
    // SAFETY: the binding's function gets its own factory.
    ask(|factory| factory.get_plugin_count.map(|count| unsafe { count(factory) })).unwrap_or(0)
}

unsafe extern "C" fn get_plugin_descriptor(
    _factory: *const clap_plugin_factory,
    index: u32,
) -> *const clap_plugin_descriptor {
    // SAFETY: the binding's function gets its own factory.
    ask(|factory| factory.get_plugin_descriptor.map(|get| unsafe { get(factory, index) }))
        .unwrap_or(ptr::null())
}

unsafe extern "C" fn create_plugin(
    _factory: *const clap_plugin_factory,
    host: *const clap_host,
    identifier: *const c_char,
) -> *const clap_plugin {
    // SAFETY: the binding's function gets its own factory, and what the host passed.
    let plugin =
        ask(|factory| factory.create_plugin.map(|make| unsafe { make(factory, host, identifier) }))
            .unwrap_or(ptr::null())
            .cast_mut();
    // SAFETY: null, or an instance that nobody else has seen yet.
    if let Some(plugin) = unsafe { plugin.as_mut() }
        && let Some(theirs) = plugin.process
    {
        plugin.process = Some(process);
        PROCESS.get_or_init(|| theirs);
    }
    plugin
}

unsafe extern "C" fn process(
    plugin: *const clap_plugin,
    process: *const clap_process,
) -> clap_process_status {
    // SAFETY: the host passes a block, or null by mistake.
    let (Some(theirs), Some(block)) = (PROCESS.get(), unsafe { process.as_ref() }) else {
        return CLAP_PROCESS_ERROR;
    };
    let block = clap_process { transport: ptr::null(), ..*block };
    // SAFETY: the plugin is the host's own, and the block is the host's but for the transport.
    unsafe { theirs(plugin, &raw const block) }
}

#[cfg(test)]
mod tests {
    use std::mem::zeroed;

    use clap_sys::audio_buffer::clap_audio_buffer;
    use clap_sys::events::{
        clap_event_header, clap_event_transport, clap_input_events, clap_output_events,
    };
    use clap_sys::process::CLAP_PROCESS_CONTINUE;
    use clap_sys::version::CLAP_VERSION;

    use super::*;

    unsafe extern "C" fn no_extension(_: *const clap_host, _: *const c_char) -> *const c_void {
        ptr::null()
    }
    unsafe extern "C" fn ignore(_: *const clap_host) {}
    unsafe extern "C" fn no_events(_: *const clap_input_events) -> u32 {
        0
    }
    unsafe extern "C" fn no_event(_: *const clap_input_events, _: u32) -> *const clap_event_header {
        ptr::null()
    }
    unsafe extern "C" fn refuse(_: *const clap_output_events, _: *const clap_event_header) -> bool {
        false
    }

    #[test]
    fn a_transport_without_a_header_is_no_fault_and_the_sound_passes() {
        let host = clap_host {
            clap_version: CLAP_VERSION,
            host_data: ptr::null_mut(),
            name: c"host".as_ptr(),
            vendor: c"".as_ptr(),
            url: c"".as_ptr(),
            version: c"1".as_ptr(),
            get_extension: Some(no_extension),
            request_restart: Some(ignore),
            request_process: Some(ignore),
            request_callback: Some(ignore),
        };
        // SAFETY: a transport of zeros, as a host leaves it that does not fill it in.
        let transport: clap_event_transport = unsafe { zeroed() };
        let in_events =
            clap_input_events { ctx: ptr::null_mut(), size: Some(no_events), get: Some(no_event) };
        let out_events = clap_output_events { ctx: ptr::null_mut(), try_push: Some(refuse) };
        let block = 512;
        // SAFETY: the calls in the order that the format wants, from one thread; the pointers outlive them.
        unsafe {
            assert!(clap_entry.init.unwrap()(c"/plugin.clap".as_ptr()));
            let factory = clap_entry.get_factory.unwrap()(CLAP_PLUGIN_FACTORY_ID.as_ptr())
                .cast::<clap_plugin_factory>();
            assert_eq!((*factory).get_plugin_count.unwrap()(factory), 1);
            let descriptor = (*factory).get_plugin_descriptor.unwrap()(factory, 0);
            let plugin =
                (*factory).create_plugin.unwrap()(factory, &raw const host, (*descriptor).id);
            assert!((*plugin).init.unwrap()(plugin));
            assert!((*plugin).activate.unwrap()(plugin, 48000.0, 1, block));
            assert!((*plugin).start_processing.unwrap()(plugin));
            let mut heard = Vec::new();
            for number in 0..8 {
                let value = f32::from(u8::from(number == 0));
                let mut given = vec![value; block as usize];
                let mut result = vec![9.0_f32; block as usize];
                let mut inputs = [given.as_mut_ptr(), given.as_mut_ptr()];
                let mut outputs = [result.as_mut_ptr(), result.as_mut_ptr()];
                let buffer = |channels: &mut [*mut f32; 2]| clap_audio_buffer {
                    data32: channels.as_mut_ptr().cast(),
                    data64: ptr::null_mut(),
                    channel_count: 2,
                    latency: 0,
                    constant_mask: 0,
                };
                let input = buffer(&mut inputs);
                let mut output = buffer(&mut outputs);
                let process = clap_process {
                    steady_time: -1,
                    frames_count: block,
                    transport: &raw const transport,
                    audio_inputs: &raw const input,
                    audio_outputs: &raw mut output,
                    audio_inputs_count: 1,
                    audio_outputs_count: 1,
                    in_events: &raw const in_events,
                    out_events: &raw const out_events,
                };
                let status = (*plugin).process.unwrap()(plugin, &raw const process);
                assert_eq!(status, CLAP_PROCESS_CONTINUE);
                heard.extend(result);
            }
            (*plugin).stop_processing.unwrap()(plugin);
            (*plugin).deactivate.unwrap()(plugin);
            (*plugin).destroy.unwrap()(plugin);
            clap_entry.deinit.unwrap()();
            // The first block is ones: all of them come out, later, and nothing else.
            let loud = heard.iter().filter(|value| value.to_bits() == 1.0_f32.to_bits()).count();
            let silent = heard.iter().filter(|value| value.to_bits() == 0).count();
            assert_eq!((loud, silent), (block as usize, 7 * block as usize));
        }
    }
}
