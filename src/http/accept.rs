//! Which form of an answer a client wants, from its `Accept` header.

use axum::http::{HeaderMap, header};

/// Of the media types offered, by preference, the one that the client likes best; the first of equals.
/// `None` where it takes none of them.
pub(super) fn choose<'a>(headers: &HeaderMap, offered: &[&'a str]) -> Option<&'a str> {
    let lines = headers.get_all(header::ACCEPT).iter().filter_map(|line| line.to_str().ok());
    let ranges: Vec<Range<'_>> =
        lines.flat_map(|line| line.split(',')).filter_map(Range::parse).collect();
    if ranges.is_empty() {
        return offered.first().copied();
    }
    let mut best: Option<(&str, f32)> = None;
    for media_type in offered {
        let quality = quality(&ranges, media_type);
        if quality > best.map_or(0.0, |(_, quality)| quality) {
            best = Some((media_type, quality));
        }
    }
    best.map(|(media_type, _)| media_type)
}

/// A media range of the header, for example `text/*;q=0.5`.
struct Range<'a> {
    name: &'a str,
    quality: f32,
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let name = parts.next().filter(|name| !name.is_empty())?;
        let quality = parts.find_map(|part| part.strip_prefix("q=")?.parse().ok());
        Some(Self { name, quality: quality.unwrap_or(1.0) })
    }

    /// How precisely it names the type: 0 where not at all.
    fn precision(&self, media_type: &str) -> u8 {
        let family = media_type.split_once('/').map_or(media_type, |(family, _)| family);
        match self.name.split_once('/') {
            Some(("*", "*")) => 1,
            Some((wanted, "*")) if wanted.eq_ignore_ascii_case(family) => 2,
            _ if self.name.eq_ignore_ascii_case(media_type) => 3,
            _ => 0,
        }
    }
}

/// The quality of the most precise range that names the type.
fn quality(ranges: &[Range<'_>], media_type: &str) -> f32 {
    let named = ranges.iter().filter(|range| range.precision(media_type) > 0);
    let range = named.max_by_key(|range| range.precision(media_type));
    range.map_or(0.0, |range| range.quality)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_of_what_is_offered_is_chosen() {
        let check = |accept: &str, expected: Option<&str>| {
            let mut headers = HeaderMap::new();
            if !accept.is_empty() {
                headers.insert(header::ACCEPT, accept.parse().unwrap());
            }
            let chosen = choose(&headers, &["application/json", "text/csv"]);
            assert_eq!(chosen, expected, "{accept}");
        };
        check("", Some("application/json"));
        check("*/*", Some("application/json"));
        check("text/csv", Some("text/csv"));
        check("TEXT/CSV; charset=utf-8", Some("text/csv"));
        check("text/*;q=0.9, */*;q=0.1", Some("text/csv"));
        check("application/json;q=0, */*", Some("text/csv"));
        check("text/csv;q=0.5, application/json;q=0.6", Some("application/json"));
        check("text/html", None);
        check("application/json;q=0", None);
    }
}
