"""What report.html is made of: charts with controls (chart, race_charts, learning_charts,
attention_charts, text_charts), Table 1 of the Transformer's paper beside what was measured
(table_one), answers to a newcomer's questions (questions), commands to measure again (commands), and
the page's own style and code (page.css, page.js)."""
