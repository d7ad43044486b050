//! The details of a group and of a request as the texts that the stores keep of them.

use crate::domain::{GroupDetail, RequestDetail};

/// The text; `None` where nothing is told, as in rows older than the column.
pub(super) fn detail_text(detail: &GroupDetail) -> Option<String> {
    if detail.is_empty() {
        return None;
    }
    // A structure of numbers, texts and lists always has a text.
    serde_json::to_string(detail).ok()
}

/// The detail of a text that a store kept.
///
/// # Errors
/// Where the text is no such document.
pub(super) fn detail_from(text: Option<&str>) -> serde_json::Result<GroupDetail> {
    text.map_or_else(|| Ok(GroupDetail::default()), serde_json::from_str)
}

/// The text of what a request asks for beside its columns; `None` where that is nothing.
pub(super) fn request_text(detail: &RequestDetail) -> Option<String> {
    if detail.is_empty() { None } else { serde_json::to_string(detail).ok() }
}

/// The request's detail of a text that a store kept.
///
/// # Errors
/// Where the text is no such document.
pub(super) fn request_from(text: Option<&str>) -> serde_json::Result<RequestDetail> {
    text.map_or_else(|| Ok(RequestDetail::default()), serde_json::from_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_comes_back() {
        for number in [0.1 + 0.2, 1.0 / 3.0, f64::MIN_POSITIVE, -f64::MAX, 9_007_199_254_740_993.0]
        {
            let detail = GroupDetail {
                correlations: vec![Some(number), None],
                aic: Some(-number),
                ..GroupDetail::default()
            };
            let text = detail_text(&detail).unwrap();
            assert_eq!(detail_from(Some(&text)).unwrap(), detail, "{text}");
        }
        assert_eq!(detail_text(&GroupDetail::default()), None);
        assert!(detail_from(None).unwrap().is_empty());
        assert!(detail_from(Some("[1]")).is_err());
    }
}
