//! Every tool by name.
use mollyguard_tools::contract::Declaration;
/// Every tool by name.
pub struct Registry {}
impl Registry {
    /// What clients are shown, in a stable order: the native tools for agents, then the gateway's own.
    pub fn listing(&self) -> impl Iterator<Item = &Declaration> {
        std::iter::empty()
    }
    /// The declaration of a listed tool.
    #[must_use]
    pub fn declaration(&self, _name: &str) -> Option<&Declaration> {
        None
    }
}
