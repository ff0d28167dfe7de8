//! The known name that was probably meant.

/// The known name nearest to `word`, when one is near enough to be worth a question.
///
/// Case, `-` and `_` do not count. Of equally near names the first wins.
#[must_use]
pub fn nearest<'a, S: AsRef<str>>(word: &str, known: &'a [S]) -> Option<&'a str> {
    let word = fold(word);
    let length = word.chars().count();
    if length == 0 || length > 64 {
        return None;
    }
    let allowed = (length / 3).clamp(1, 4);
    known
        .iter()
        .map(AsRef::as_ref)
        .filter_map(|name| {
            let candidate = fold(name);
            let distance = strsim::damerau_levenshtein(&word, &candidate);
            let near = distance <= allowed && distance < length;
            let begins = length >= 4 && candidate.starts_with(&word);
            (near || begins).then_some((!near, distance, name))
        })
        .min_by_key(|(begins_only, distance, _)| (*begins_only, *distance))
        .map(|(_, _, name)| name)
}

fn fold(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_typos_and_other_spellings() {
        let known = ["cohort_retention", "user_id", "grain", "by", "customer_id"];
        for (word, found) in [
            ("cohort_retentoin", Some("cohort_retention")),
            ("userid", Some("user_id")),
            ("customerId", Some("customer_id")),
            ("Grain", Some("grain")),
            ("bye", Some("by")),
            ("cohort", Some("cohort_retention")),
            ("segment", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, &known), found, "{word}");
        }
    }
}
