//! Markup, made in one place, so that no text gets into it unescaped.
//!
//! Elements nest by construction: what is opened is closed in order, and a document that ends
//! closes what is open. Tags and names of attributes are the program's own words; texts and
//! values are anybody's.

/// Markup that grows.
#[derive(Debug, Default)]
pub(super) struct Html {
    out: String,
    open: Vec<&'static str>,
}

impl Html {
    /// A whole document, up to its first element.
    pub(super) fn document() -> Self {
        Self { out: "<!DOCTYPE html>\n".to_owned(), open: Vec::new() }
    }

    /// Opens an element.
    pub(super) fn open(&mut self, tag: &'static str, attributes: &[(&str, &str)]) -> &mut Self {
        self.tag(tag, attributes, ">");
        self.open.push(tag);
        self
    }

    /// Closes the last one opened.
    pub(super) fn close(&mut self) -> &mut Self {
        if let Some(tag) = self.open.pop() {
            self.out.push_str("</");
            self.out.push_str(tag);
            self.out.push('>');
            if BLOCKS.contains(&tag) {
                self.out.push('\n');
            }
        }
        self
    }

    /// An element that holds nothing.
    pub(super) fn void(&mut self, tag: &'static str, attributes: &[(&str, &str)]) -> &mut Self {
        self.tag(tag, attributes, "/>");
        self
    }

    /// An element that holds a text.
    pub(super) fn leaf(
        &mut self,
        tag: &'static str,
        attributes: &[(&str, &str)],
        text: &str,
    ) -> &mut Self {
        self.open(tag, attributes).text(text).close()
    }

    /// A text.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        escape(text, &mut self.out);
        self
    }

    /// The page's own style sheet, which is the program's.
    pub(super) fn style(&mut self, css: &'static str) -> &mut Self {
        self.out.push_str("<style>\n");
        self.out.push_str(css);
        self.out.push_str("</style>\n");
        self
    }

    /// The markup, with everything closed.
    pub(super) fn finish(mut self) -> String {
        while !self.open.is_empty() {
            self.close();
        }
        self.out
    }

    fn tag(&mut self, tag: &'static str, attributes: &[(&str, &str)], end: &str) {
        self.out.push('<');
        self.out.push_str(tag);
        for (name, value) in attributes {
            self.out.push(' ');
            self.out.push_str(name);
            self.out.push_str("=\"");
            escape(value, &mut self.out);
            self.out.push('"');
        }
        self.out.push_str(end);
    }
}

/// Elements after whose end a line ends, so that a page can be read as text, too.
const BLOCKS: [&str; 20] = [
    "html", "head", "title", "body", "header", "main", "footer", "section", "div", "h1", "h2",
    "h3", "p", "ul", "li", "dl", "table", "tr", "figure", "svg",
];

fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(' '),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_values_are_escaped_and_elements_closed() {
        let mut html = Html::default();
        html.open("p", &[("title", "a\"b'<")]).text("<script>&\u{7}").open("b", &[]);
        assert_eq!(
            html.finish(),
            "<p title=\"a&quot;b&#39;&lt;\">&lt;script&gt;&amp;\u{fffd}<b></b></p>\n"
        );
    }
}
