"""What the programs count and measure: the numbers over time, and as Prometheus reads them."""
