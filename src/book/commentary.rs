//! The analyst's commentary: as much of Markdown as a commentary needs, and no markup of its own.
//!
//! Headings (`#` to `###`), paragraphs, lists (`-`, `*` or `1.`), **strong** and *emphasis*. Links,
//! images and HTML stay what they are, text: a book makes no request and runs nothing.

use super::html::Html;

enum Block {
    Heading(usize, String),
    Paragraph(String),
    Item { numbered: bool, text: String },
}

/// The commentary, its headings below the page's second level.
pub(super) fn render(html: &mut Html, text: &str) {
    let mut list: Option<bool> = None;
    for block in blocks(text) {
        let wanted = match &block {
            Block::Item { numbered, .. } => Some(*numbered),
            _ => None,
        };
        if list.is_some() && list != wanted {
            html.close();
            list = None;
        }
        match block {
            Block::Heading(depth, text) => {
                html.open(if depth == 1 { "h3" } else { "h4" }, &[]);
                inline(html, &text);
                html.close();
            }
            Block::Paragraph(text) => {
                html.open("p", &[]);
                inline(html, &text);
                html.close();
            }
            Block::Item { numbered, text } => {
                if list.is_none() {
                    html.open(if numbered { "ol" } else { "ul" }, &[]);
                    list = Some(numbered);
                }
                html.open("li", &[]);
                inline(html, &text);
                html.close();
            }
        }
    }
    if list.is_some() {
        html.close();
    }
}

/// Lines put together into blocks; a heading never jumps a level.
fn blocks(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let (mut goes_on, mut above) = (false, 0);
    for line in text.trim_start_matches('\u{feff}').lines() {
        let line = line.trim();
        if line.is_empty() {
            goes_on = false;
            continue;
        }
        if let Some((depth, title)) = heading(line) {
            let depth = depth.min(above + 1).min(2);
            above = depth;
            blocks.push(Block::Heading(depth, title.to_owned()));
            goes_on = false;
        } else if let Some((numbered, item)) = item(line) {
            blocks.push(Block::Item { numbered, text: item.to_owned() });
            goes_on = true;
        } else {
            match blocks.last_mut() {
                Some(Block::Paragraph(text) | Block::Item { text, .. }) if goes_on => {
                    text.push(' ');
                    text.push_str(line);
                }
                _ => blocks.push(Block::Paragraph(line.to_owned())),
            }
            goes_on = true;
        }
    }
    blocks
}

fn heading(line: &str) -> Option<(usize, &str)> {
    let depth = line.bytes().take_while(|b| *b == b'#').count();
    let title = line[depth..].strip_prefix(' ')?;
    (1..=3).contains(&depth).then_some((depth, title.trim()))
}

fn item(line: &str) -> Option<(bool, &str)> {
    if let Some(text) = line.strip_prefix("- ").or_else(|| line.strip_prefix("* ")) {
        return Some((false, text.trim()));
    }
    let (number, text) = line.split_once(". ")?;
    let is_number = (1..=3).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
    is_number.then_some((true, text.trim()))
}

fn inline(html: &mut Html, text: &str) {
    for (sign, tag) in [("**", "strong"), ("*", "em")] {
        let Some((before, rest)) = text.split_once(sign) else { continue };
        let Some((within, after)) = rest.split_once(sign) else { continue };
        // "2 * 3 * 4" is no emphasis.
        if within.is_empty() || within.starts_with(' ') || within.ends_with(' ') {
            continue;
        }
        inline(html, before);
        html.leaf(tag, &[], within);
        inline(html, after);
        return;
    }
    html.text(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(text: &str) -> String {
        let mut html = Html::default();
        render(&mut html, text);
        html.finish().replace('\n', "")
    }

    #[test]
    fn a_commentary_has_headings_paragraphs_lists_and_emphasis() {
        let text = "### Reach\nMore **families** came,\nand *stayed*.\n\n- one\n  goes on\n- two\n\n1. first\n## Next\n2 * 3 * 4";
        assert_eq!(
            rendered(text),
            "<h3>Reach</h3><p>More <strong>families</strong> came, and <em>stayed</em>.</p>\
             <ul><li>one goes on</li><li>two</li></ul><ol><li>first</li></ol>\
             <h4>Next</h4><p>2 * 3 * 4</p>"
        );
    }

    #[test]
    fn markup_stays_text() {
        let text = rendered("<script>alert(1)</script> [here](http://x) ![](y)");
        assert!(
            text.starts_with("<p>&lt;script&gt;") && text.contains("[here](http://x)"),
            "{text}"
        );
    }
}
