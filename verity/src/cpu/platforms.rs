//! A list of kernels with a name for each, and what can be asked of it.

/// Declares the list: an enum with a row for each kernel, the fastest first, behind the token of
/// the CPUs that have it; the last row is for any CPU.
macro_rules! platforms {
    (
        $(#[doc = $list:literal])*
        pub enum $Platform:ident {
            $(
                $(#[doc = $doc:literal])*
                #[cfg($cfg:meta)]
                $Kernel:ident($Token:ident) = $name:literal,
            )*
            _ =>
            $(#[doc = $any:literal])*
            Portable = "portable",
        }
    ) => {
        $(#[doc = $list])*
        ///
        /// The variants carry proofs that nothing outside of this library can make.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $Platform {
            $(
                $(#[doc = $doc])*
                #[cfg($cfg)]
                $Kernel($Token),
            )*
            $(#[doc = $any])*
            Portable,
        }

        impl $Platform {
            /// All that can run here, the fastest first.
            pub fn available() -> impl Iterator<Item = $Platform> {
                let found = [
                    $(#[cfg($cfg)] $Token::found().map($Platform::$Kernel),)*
                    Some($Platform::Portable),
                ];
                found.into_iter().flatten()
            }

            /// The one with this name, if it can run here.
            pub fn named(name: &str) -> Option<$Platform> {
                $Platform::available().find(|platform| platform.name() == name)
            }

            /// The name that options and records use.
            pub fn name(self) -> &'static str {
                match self {
                    $(#[cfg($cfg)] $Platform::$Kernel(_) => $name,)*
                    $Platform::Portable => "portable",
                }
            }
        }

        impl std::fmt::Display for $Platform {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

pub(crate) use platforms;
