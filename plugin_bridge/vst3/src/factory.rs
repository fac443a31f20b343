//! The factory: what the module holds, and how it is made.

use std::ffi::{CStr, c_char, c_void};

use vst3::Steinberg::Vst::{PlugType, SDKVersionString};
use vst3::Steinberg::{
    FIDString, FUnknown, IPluginFactory2, IPluginFactory2Trait, IPluginFactoryTrait, PClassInfo,
    PClassInfo_, PClassInfo2, PFactoryInfo, PFactoryInfo_, TUID, int32, kInvalidArgument,
    kNoInterface, kResultOk, tresult,
};
use vst3::{Class, ComWrapper};

use super::component::Component;
use super::{guard, text};

const NAME: &str = "Uncodec";
const VENDOR: &str = "Uncodec";
const CATEGORY: &str = "Audio Module Class";

/// The module's factory.
pub struct Factory;

impl Class for Factory {
    type Interfaces = (IPluginFactory2,);
}

impl IPluginFactoryTrait for Factory {
    unsafe fn getFactoryInfo(&self, info: *mut PFactoryInfo) -> tresult {
        // SAFETY: the host's, null or valid.
        let Some(info) = (unsafe { info.as_mut() }) else { return kInvalidArgument };
        text::put(VENDOR, &mut info.vendor);
        text::put("", &mut info.url);
        text::put("", &mut info.email);
        info.flags = PFactoryInfo_::FactoryFlags_::kUnicode as int32;
        kResultOk
    }

    unsafe fn countClasses(&self) -> int32 {
        1
    }

    unsafe fn getClassInfo(&self, index: int32, info: *mut PClassInfo) -> tresult {
        // SAFETY: the host's, null or valid.
        let Some(info) = (unsafe { info.as_mut() }) else { return kInvalidArgument };
        if index != 0 {
            return kInvalidArgument;
        }
        info.cid = Component::CID;
        info.cardinality = PClassInfo_::ClassCardinality_::kManyInstances as int32;
        text::put(CATEGORY, &mut info.category);
        text::put(NAME, &mut info.name);
        kResultOk
    }

    unsafe fn createInstance(
        &self,
        cid: FIDString,
        iid: FIDString,
        object: *mut *mut c_void,
    ) -> tresult {
        guard(|| {
            if cid.is_null() || iid.is_null() || object.is_null() {
                return kInvalidArgument;
            }
            // SAFETY: not null, so they point to identifiers of 16 bytes and to room for a pointer.
            let (cid, iid) = unsafe {
                *object = std::ptr::null_mut();
                (cid.cast::<TUID>().read_unaligned(), iid.cast::<TUID>())
            };
            if cid != Component::CID {
                return kInvalidArgument;
            }
            let Some(instance) = ComWrapper::new(Component::new()).to_com_ptr::<FUnknown>() else {
                return kNoInterface;
            };
            let unknown = instance.as_ptr();
            // SAFETY: the instance is alive; the host gets a reference of its own.
            unsafe { ((*(*unknown).vtbl).queryInterface)(unknown, iid, object) }
        })
    }
}

impl IPluginFactory2Trait for Factory {
    unsafe fn getClassInfo2(&self, index: int32, info: *mut PClassInfo2) -> tresult {
        // SAFETY: the host's, null or valid.
        let Some(info) = (unsafe { info.as_mut() }) else { return kInvalidArgument };
        if index != 0 {
            return kInvalidArgument;
        }
        info.cid = Component::CID;
        info.cardinality = PClassInfo_::ClassCardinality_::kManyInstances as int32;
        info.classFlags = 0;
        text::put(CATEGORY, &mut info.category);
        text::put(NAME, &mut info.name);
        text::put(&constant(PlugType::kFxRestoration), &mut info.subCategories);
        text::put(VENDOR, &mut info.vendor);
        text::put(env!("CARGO_PKG_VERSION"), &mut info.version);
        text::put(&constant(SDKVersionString), &mut info.sdkVersion);
        kResultOk
    }
}

/// A constant of the bindings.
fn constant(text: *const c_char) -> String {
    // SAFETY: the bindings' constants are texts that end with a zero, and live for ever.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}
