"""Tables and predictions to figures and a page; knows no project."""
