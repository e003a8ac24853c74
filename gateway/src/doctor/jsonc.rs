//! JSON with comments and trailing commas, as editors keep their settings.

use serde_json::Value;

/// Reads it; `None` where it is none.
pub(super) fn parse(text: &str) -> Option<Value> {
    serde_json::from_str(&plain(text)).ok()
}

/// The same without comments and trailing commas. Strings stay as they are.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if c == '"' {
            let end = string_end(rest);
            out.push_str(&rest[..end]);
            rest = &rest[end..];
        } else if rest.starts_with("//") {
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
        } else if rest.starts_with("/*") {
            rest = rest.find("*/").map_or("", |end| &rest[end + 2..]);
        } else {
            if matches!(c, '}' | ']') {
                let kept = out.trim_end().len();
                if out[..kept].ends_with(',') {
                    out.truncate(kept - 1);
                }
            }
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

/// Where the string at the start ends.
fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn comments_and_commas_are_taken_away_and_strings_are_not() {
        let text = "{ // a\n \"a//b\": [1, 2, ], /* \"c\": 3 */ \"d\\\"//\": \",}\", }";
        assert_eq!(super::parse(text), Some(json!({"a//b": [1, 2], "d\"//": ",}"})));
        assert_eq!(super::parse("{\"a\": \"é\", // é\n}"), Some(json!({"a": "é"})));
        for text in ["", "{", "\"", "/*", "{\"a\": \"b", "nonsense"] {
            assert_eq!(super::parse(text), None, "{text}");
        }
    }
}
