//! A plugin's module: the shared library and its factory.

use std::ffi::{CStr, OsStr, c_void};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use libloading::Library;
use thiserror::Error;
use vst3::ComPtr;
use vst3::Interface;
use vst3::Steinberg::Vst::IComponent;
use vst3::Steinberg::{
    IPluginFactory, IPluginFactory2, IPluginFactory2Trait, IPluginFactoryTrait, PClassInfo2, TUID,
    kResultOk, tresult,
};

use crate::plugin::Plugin;

/// Why a plugin could not be loaded.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The library, or an entry of it.
    #[error(transparent)]
    Library(#[from] libloading::Error),
    /// The plugin said no.
    #[error("{step}: the plugin answered {result}")]
    Plugin {
        /// What was asked.
        step: &'static str,
        /// The answer.
        result: tresult,
    },
    /// The plugin lacks something.
    #[error("the plugin has no {0}")]
    Missing(&'static str),
}

impl LoadError {
    pub(crate) fn check(step: &'static str, result: tresult) -> Result<(), Self> {
        if result == kResultOk { Ok(()) } else { Err(Self::Plugin { step, result }) }
    }
}

/// The module under test: `$UNCODEC_PLUGIN`, a bundle or a library, or else the one that was built
/// together with this program.
#[must_use]
pub fn module_path() -> PathBuf {
    let architecture = format!("{}-linux", std::env::consts::ARCH);
    match std::env::var_os("UNCODEC_PLUGIN").map(PathBuf::from) {
        Some(path) if path.extension() == Some(OsStr::new("vst3")) => {
            path.join("Contents").join(architecture).join("Uncodec.so")
        }
        Some(path) => path,
        None => beside_program().unwrap_or_default(),
    }
}

/// Where cargo puts the module: beside the tests, or one folder up from them and the examples.
fn beside_program() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let folder = program.parent()?;
    let places = [folder.to_owned(), folder.join("deps"), folder.parent()?.to_owned()];
    places.into_iter().map(|place| place.join("libuncodec_vst3.so")).find(|path| path.is_file())
}

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
    /// Loads a module.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        // SAFETY: the library is the one under test; running its code is what this is for.
        let library = unsafe { Library::new(path) }?;
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
    ///
    /// # Errors
    /// [`LoadError`].
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

    /// As [`instantiate`](Self::instantiate), with the core at this path.
    ///
    /// The path reaches the plugin through the environment, as it does everywhere; calls of this
    /// are made one after the other.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn instantiate_at(&self, core: &Path) -> Result<Plugin, LoadError> {
        static ENVIRONMENT: Mutex<()> = Mutex::new(());
        let _alone = ENVIRONMENT.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: nothing else in the programs of this crate writes to the environment, and what
        // reads it does so through the same lock of the standard library, or below this one.
        unsafe { std::env::set_var("UNCODEC_CORE_SOCKET", core) };
        self.instantiate()
    }

    /// A new plugin, initialised.
    ///
    /// # Errors
    /// [`LoadError`].
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
        Plugin::new(self.clone(), component.ok_or(LoadError::Missing("component"))?)
    }
}
