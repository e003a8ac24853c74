//! Every name that stands in a function's text, its literals and comments included, whatever language that is written in: for
//! a body that nobody can read, but that an operator has vouched for. Too many rather than too few.

use crate::sql::{LONGEST_NAME, Uses, is_operator, is_part, is_start};

/// The names and operators of a text. What stands in double quotes is taken both for a name and for text, since only the
/// language says which it is; and a name that a text puts together has to stand in it whole.
pub(super) fn visible(source: &str) -> Uses {
    let mut uses = Uses::default();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let end = if is_start(first) {
            let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
            name(&mut uses, rest.get(..end).unwrap_or_default(), false);
            end
        } else if is_operator(first) {
            let end = rest.find(|c| !is_operator(c)).unwrap_or(rest.len());
            uses.operators.extend(rest.get(..end).map(str::to_owned));
            end
        } else {
            if first == '"' {
                let inner = rest.get(1..).unwrap_or_default();
                let quoted = inner.find('"').and_then(|end| inner.get(..end)).unwrap_or_default();
                name(&mut uses, quoted, true);
            }
            first.len_utf8()
        };
        rest = rest.get(end..).unwrap_or_default();
    }
    uses
}

fn name(uses: &mut Uses, written: &str, quoted: bool) {
    if written.is_empty() || written.len() > LONGEST_NAME {
        // The server cuts it; it comes from no body that works.
        return;
    }
    let name = if quoted { written.to_owned() } else { written.to_ascii_lowercase() };
    if !quoted && !name.is_ascii() {
        uses.bare.insert(name.clone());
    }
    uses.calls.insert(name.clone());
    uses.dotted.insert(vec![name.clone()]);
    uses.names.insert(name);
}
