//! A VST 3 module: the shared library and its factory.

use std::ffi::{CStr, c_void};
use std::sync::Arc;

use libloading::Library;
use vst3::ComPtr;
use vst3::Interface;
use vst3::Steinberg::Vst::IComponent;
use vst3::Steinberg::{
    IPluginFactory, IPluginFactory2, IPluginFactory2Trait, IPluginFactoryTrait, PClassInfo2, TUID,
    kResultOk,
};

use super::instance::Vst3;
use crate::module::LoadError;
use crate::plugin::Plugin;

/// A loaded module. It is unloaded with the last plugin that came from it.
#[derive(Debug, Clone)]
pub struct Module(Arc<Loaded>);

#[derive(Debug)]
struct Loaded {
    library: Library,
}

impl Drop for Loaded {
    fn drop(&mut self) {
        type Exit = unsafe extern "C" fn() -> bool;
        // SAFETY: the entry has this type in every module of the format.
        let exit = unsafe { self.library.get::<Exit>(c"ModuleExit".to_bytes()) };
        if let Ok(exit) = exit {
            // SAFETY: the module was entered, and nothing of it is left.
            unsafe { exit() };
        }
    }
}

impl Module {
    pub fn load(library: Library) -> Result<Self, LoadError> {
        // SAFETY: the entry has this type in every module of the format.
        let entered = unsafe {
            library.get::<unsafe extern "C" fn(*mut c_void) -> bool>(c"ModuleEntry".to_bytes())?(
                std::ptr::null_mut(),
            )
        };
        LoadError::check("ModuleEntry", if entered { kResultOk } else { -1 })?;
        Ok(Self(Arc::new(Loaded { library })))
    }

    fn factory(&self) -> Result<ComPtr<IPluginFactory>, LoadError> {
        type Entry = unsafe extern "C" fn() -> *mut IPluginFactory;
        // SAFETY: the entry has this type in every module of the format, and gives a reference.
        unsafe {
            let entry = self.0.library.get::<Entry>(c"GetPluginFactory".to_bytes())?;
            ComPtr::from_raw(entry()).ok_or(LoadError::Missing("factory"))
        }
    }

    /// Name, category, subcategories and version of the only class.
    pub fn class(&self) -> Result<[String; 4], LoadError> {
        let info = self.class_info()?;
        // SAFETY: texts in arrays of their own, which end with a zero.
        let text = |text: &[i8]| unsafe { CStr::from_ptr(text.as_ptr().cast()) };
        Ok([text(&info.name), text(&info.category), text(&info.subCategories), text(&info.version)]
            .map(|text| text.to_string_lossy().into_owned()))
    }

    fn class_info(&self) -> Result<PClassInfo2, LoadError> {
        let factory = self.factory()?;
        let factory = factory.cast::<IPluginFactory2>().ok_or(LoadError::Missing("factory 2"))?;
        // SAFETY: a plain structure of numbers.
        let mut info: PClassInfo2 = unsafe { std::mem::zeroed() };
        // SAFETY: calls of the module's own object.
        let result = unsafe {
            if factory.countClasses() != 1 {
                return Err(LoadError::Missing("class, or has several"));
            }
            factory.getClassInfo2(0, &raw mut info)
        };
        LoadError::check("getClassInfo2", result)?;
        Ok(info)
    }

    /// A new plugin, initialised.
    pub fn instantiate(&self) -> Result<Plugin, LoadError> {
        let cid: TUID = self.class_info()?.cid;
        let factory = self.factory()?;
        let mut object = std::ptr::null_mut();
        // SAFETY: calls of the module's own object; the identifiers have their 16 bytes.
        let component = unsafe {
            let result = factory.createInstance(
                cid.as_ptr().cast(),
                IComponent::IID.as_ptr().cast(),
                &raw mut object,
            );
            LoadError::check("createInstance", result)?;
            ComPtr::from_raw(object.cast::<IComponent>())
        };
        Vst3::open(self.clone(), component.ok_or(LoadError::Missing("component"))?)
    }
}
