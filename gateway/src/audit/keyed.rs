//! stub
use mollyguard_tools::contract::Digest;
/// stub
#[derive(Debug)]
pub struct ArgsKey;
impl ArgsKey {
    /// stub
    pub fn digest(&self, v: &serde_json::Value) -> Digest {
        Digest::of(v)
    }
}
