//! The host's own objects, which the plugin calls.

use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::{Mutex, PoisonError};

use vst3::Steinberg::Vst::{
    IComponentHandler, IComponentHandlerTrait, IParamValueQueue, IParamValueQueueTrait,
    IParameterChanges, IParameterChangesTrait, ParamID, ParamValue, RestartFlags_,
};
use vst3::Steinberg::{
    IBStream, IBStream_, IBStreamTrait, int32, int64, kInvalidArgument, kNotImplemented,
    kResultFalse, kResultOk, tresult,
};
use vst3::{Class, ComPtr, ComWrapper};

use crate::plugin::{Change, Restarts, Told};

/// A stream in memory that hands over a few bytes at a time, as a stream may.
pub struct Stream(Mutex<(Vec<u8>, usize)>);

/// The most that one call reads or writes.
const PART: usize = 100;

impl Stream {
    pub fn new(bytes: &[u8]) -> Self {
        Self(Mutex::new((bytes.to_vec(), 0)))
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }
}

impl Class for Stream {
    type Interfaces = (IBStream,);
}

impl IBStreamTrait for Stream {
    unsafe fn read(&self, buffer: *mut c_void, count: int32, read: *mut int32) -> tresult {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (bytes, at) = &mut *inner;
        let count = usize::try_from(count).unwrap_or(0).min(PART).min(bytes.len() - *at);
        // SAFETY: the plugin gives room for at least so many bytes.
        unsafe { bytes[*at..].as_ptr().copy_to_nonoverlapping(buffer.cast(), count) };
        *at += count;
        // SAFETY: null, or room for a number.
        if let Some(read) = unsafe { read.as_mut() } {
            *read = count as int32;
        }
        kResultOk
    }

    unsafe fn write(&self, buffer: *mut c_void, count: int32, written: *mut int32) -> tresult {
        let count = usize::try_from(count).unwrap_or(0).min(PART);
        // SAFETY: the plugin gives at least so many bytes.
        let part = unsafe { std::slice::from_raw_parts(buffer.cast::<u8>(), count) };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.extend_from_slice(part);
        // SAFETY: null, or room for a number.
        if let Some(written) = unsafe { written.as_mut() } {
            *written = count as int32;
        }
        kResultOk
    }

    unsafe fn seek(&self, position: int64, mode: int32, result: *mut int64) -> tresult {
        if mode != IBStream_::IStreamSeekMode_::kIBSeekSet as int32 {
            return kNotImplemented;
        }
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.1 = usize::try_from(position).unwrap_or(0).min(inner.0.len());
        // SAFETY: null, or room for a number.
        if let Some(result) = unsafe { result.as_mut() } {
            *result = inner.1 as int64;
        }
        kResultOk
    }

    unsafe fn tell(&self, position: *mut int64) -> tresult {
        // SAFETY: null, or room for a number.
        let Some(position) = (unsafe { position.as_mut() }) else { return kInvalidArgument };
        *position = self.0.lock().unwrap_or_else(PoisonError::into_inner).1 as int64;
        kResultOk
    }
}

/// What the plugin's controller reports to.
pub struct ComponentHandler(pub Restarts);

impl Class for ComponentHandler {
    type Interfaces = (IComponentHandler,);
}

impl IComponentHandlerTrait for ComponentHandler {
    unsafe fn beginEdit(&self, _id: ParamID) -> tresult {
        kResultOk
    }

    unsafe fn performEdit(&self, _id: ParamID, _value: ParamValue) -> tresult {
        kResultOk
    }

    unsafe fn endEdit(&self, _id: ParamID) -> tresult {
        kResultOk
    }

    unsafe fn restartComponent(&self, flags: int32) -> tresult {
        for (flag, told) in [
            (RestartFlags_::kLatencyChanged, Told::WantsRestart),
            (RestartFlags_::kParamValuesChanged, Told::Values),
        ] {
            if flags & flag as int32 != 0 {
                self.0.count(told);
            }
        }
        kResultOk
    }
}

/// The changes of a block.
pub struct Changes(ComPtr<IParameterChanges>);

impl Changes {
    /// Changes in the order of their offsets.
    pub fn new(changes: &[Change]) -> Self {
        let mut queues: Vec<Vec<Change>> = Vec::new();
        for change in changes {
            match queues.iter_mut().find(|queue| queue[0].id == change.id) {
                Some(queue) => queue.push(*change),
                None => queues.push(vec![*change]),
            }
        }
        let queue = |points| ComWrapper::new(Queue(points)).to_com_ptr::<IParamValueQueue>();
        let queues = ComWrapper::new(Queues(queues.into_iter().filter_map(queue).collect()));
        match queues.to_com_ptr() {
            Some(changes) => Self(changes),
            None => unreachable!("the interface is the object's own"),
        }
    }

    pub fn as_ptr(&self) -> *mut IParameterChanges {
        self.0.as_ptr()
    }
}

struct Queues(Vec<ComPtr<IParamValueQueue>>);

impl Class for Queues {
    type Interfaces = (IParameterChanges,);
}

impl IParameterChangesTrait for Queues {
    unsafe fn getParameterCount(&self) -> int32 {
        self.0.len() as int32
    }

    unsafe fn getParameterData(&self, index: int32) -> *mut IParamValueQueue {
        let queue = usize::try_from(index).ok().and_then(|index| self.0.get(index));
        queue.map_or(null_mut(), ComPtr::as_ptr)
    }

    unsafe fn addParameterData(
        &self,
        _id: *const ParamID,
        _index: *mut int32,
    ) -> *mut IParamValueQueue {
        null_mut()
    }
}

/// The points of one parameter, of which there is at least one.
struct Queue(Vec<Change>);

impl Class for Queue {
    type Interfaces = (IParamValueQueue,);
}

impl IParamValueQueueTrait for Queue {
    unsafe fn getParameterId(&self) -> ParamID {
        self.0[0].id
    }

    unsafe fn getPointCount(&self) -> int32 {
        self.0.len() as int32
    }

    unsafe fn getPoint(&self, index: int32, offset: *mut int32, value: *mut ParamValue) -> tresult {
        let point = usize::try_from(index).ok().and_then(|index| self.0.get(index));
        // SAFETY: null, or room for a number.
        let (Some(point), Some(offset), Some(value)) =
            (point, unsafe { offset.as_mut() }, unsafe { value.as_mut() })
        else {
            return kInvalidArgument;
        };
        (*offset, *value) = (point.offset, point.value);
        kResultOk
    }

    unsafe fn addPoint(&self, _offset: int32, _value: ParamValue, _index: *mut int32) -> tresult {
        kResultFalse
    }
}
