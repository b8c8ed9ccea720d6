"""What people see: tables, reports, pages."""
