"""Networks: shapes in, shapes out."""
