//! Values that the folders of a path spell: `year=2026/month=03/`.

use std::path::{Component, Path};

/// How Hive writes a NULL into a folder name.
const NULL: &str = "__HIVE_DEFAULT_PARTITION__";

/// The values in the folders of `path`, outermost first, percent-decoded.
///
/// Follows what Polars does when it scans with partitions on: a folder counts when its name holds
/// exactly one `=`, no `*`, and decodes to UTF-8.
pub(super) fn values(path: &Path) -> Vec<(String, Option<String>)> {
    let Some(folder) = path.parent() else {
        return Vec::new();
    };
    folder
        .components()
        .filter_map(|component| match component {
            Component::Normal(name) => name.to_str(),
            _ => None,
        })
        .filter_map(|name| {
            let (key, value) = name.split_once('=')?;
            if value.contains(['=', '*']) {
                return None;
            }
            let value = decode(value)?;
            Some((key.to_owned(), (value != NULL).then_some(value)))
        })
        .collect()
}

fn decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escaped = (byte == b'%')
            .then(|| bytes.get(at + 1..at + 3))
            .flatten()
            .filter(|hex| hex.iter().all(u8::is_ascii_hexdigit))
            .and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        out.push(escaped.unwrap_or(byte));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_spell_values() {
        let got =
            values(Path::new("/data/region=EU%2FWest/day=2026-03-31/x=1=2/n=__HIVE_DEFAULT_PARTITION__/f=1.parquet"));
        let want: Vec<(String, Option<String>)> = vec![
            ("region".into(), Some("EU/West".into())),
            ("day".into(), Some("2026-03-31".into())),
            ("n".into(), None),
        ];
        assert_eq!(got, want);
        assert_eq!(decode("100%"), Some("100%".to_owned()));
        assert_eq!(decode("%zz"), Some("%zz".to_owned()));
    }
}
