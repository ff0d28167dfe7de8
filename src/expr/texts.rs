//! Columns of few different texts, such as currencies: each is looked at once.

use polars::prelude::*;

/// Texts that are kept at hand: comparing with a few beats looking one up.
const RECENT: usize = 8;

/// By row what `of` says of its text, in `T`; `of` is asked about once per text.
///
/// For a column of few different texts: they are told apart by what a column stores of them, which for short
/// ones is all there is.
pub fn of_texts<'a, T: Copy>(texts: &'a StringChunked, mut of: impl FnMut(Option<&'a str>) -> T) -> Vec<T> {
    let mut out = Vec::with_capacity(texts.len());
    let mut known: PlHashMap<&str, T> = PlHashMap::default();
    let (has_nulls, mut null) = (texts.has_nulls(), None);
    for texts in texts.downcast_iter() {
        // What a view says holds within one array only.
        let mut recent: Vec<(u128, T)> = Vec::with_capacity(RECENT);
        for (row, view) in texts.views().iter().enumerate() {
            if has_nulls && texts.get(row).is_none() {
                out.push(*null.get_or_insert_with(|| of(None)));
                continue;
            }
            let view = view.as_u128();
            if let Some((_, value)) = recent.iter().find(|(known, _)| *known == view) {
                out.push(*value);
                continue;
            }
            let text = texts.value(row);
            let value = *known.entry(text).or_insert_with(|| of(Some(text)));
            if recent.len() < RECENT {
                recent.push((view, value));
            }
            out.push(value);
        }
    }
    out
}

/// A column in which every text is what `of` makes of it; NULL stays.
pub fn replaced(texts: &StringChunked, of: impl Fn(&str) -> String) -> PolarsResult<StringChunked> {
    let mut distinct: Vec<Option<String>> = Vec::new();
    let rows = of_texts(texts, |text| {
        distinct.push(text.map(&of));
        IdxSize::try_from(distinct.len() - 1).unwrap_or(IdxSize::MAX)
    });
    let distinct: StringChunked = distinct.into_iter().collect();
    Ok(distinct.take(&IdxCa::from_vec("at".into(), rows))?.with_name(texts.name().clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(texts: &[Option<&str>]) -> StringChunked {
        StringChunked::from_slice_options("text".into(), texts)
    }

    #[test]
    fn every_text_is_asked_about_once() {
        let long = "longer than twelve bytes";
        let many: Vec<String> = (0..20).map(|n| format!("{long} {n}")).collect();
        let mut texts = vec![Some("usd"), None, Some("jpy"), Some("usd"), Some(long), None, Some(long), Some("")];
        texts.extend(many.iter().chain(&many).map(|text| Some(text.as_str())));
        let mut whole = column(&texts);
        // Two pieces, of which the second is a part of an array.
        whole.append(&column(&texts).slice(3, 4)).unwrap();
        let mut asked = Vec::new();
        let lengths = of_texts(&whole, |text| {
            asked.push(text);
            text.map(str::len)
        });
        let expected: Vec<Option<usize>> = texts.iter().chain(&texts[3..7]).map(|text| text.map(str::len)).collect();
        assert_eq!(lengths, expected);
        assert_eq!(asked.len(), 5 + 20);
    }

    #[test]
    fn texts_are_replaced() {
        let texts = [Some(" usd"), None, Some("JPY"), Some(" usd")];
        let found = replaced(&column(&texts), |text| text.trim().to_uppercase()).unwrap();
        assert_eq!(found.iter().collect::<Vec<_>>(), [Some("USD"), None, Some("JPY"), Some("USD")]);
        assert_eq!(found.name().as_str(), "text");
        assert_eq!(replaced(&column(&[]), str::to_owned).unwrap().len(), 0);
    }
}
