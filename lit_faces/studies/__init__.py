"""From records to the papers' tables, figures and claims."""
