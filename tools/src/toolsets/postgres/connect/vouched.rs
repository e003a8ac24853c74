//! What an operator says of functions that nobody else can vouch for.

/// A function whose body an operator has read and takes for harmless.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Vouched {
    /// Schema, name and argument types: `public.touch()`.
    pub signature: String,
    /// Of the definition that was read.
    pub digest: String,
}

impl Vouched {
    /// Reads `public.touch() sha256:1f2e…`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (signature, digest) = text.trim().rsplit_once(char::is_whitespace)?;
        let signature = signature.trim();
        let hex = digest.strip_prefix("sha256:")?;
        let whole = hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let named = signature.contains('.') && signature.contains('(') && signature.ends_with(')');
        (whole && named).then(|| Self { signature: signature.into(), digest: digest.into() })
    }
}
