"""One page that shows what an evaluation found: `report.html`, and a CSV beside it per figure."""
