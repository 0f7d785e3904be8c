package main

// target is what a cell is meant to reach; 0 is no target.
type target struct {
	ns, bytes               float64 // per event, per subscription
	insert, remove, covered float64 // CPU nanoseconds
	posetRatio              float64 // at least so many times faster than the poset
}

// row is the cell that a target is for.
type row struct {
	workload      string
	subscriptions int
}

// targets are measured on a quiet machine of one kind; another one compares by the
// calibration.
func targets() map[row]target {
	return map[row]target{
		{"A", 1000}:        {ns: 50, bytes: 120},
		{"A", 10_000}:      {ns: 180, bytes: 64},
		{"A", 100_000}:     {ns: 500, bytes: 52, insert: 1000, remove: 500, covered: 500},
		{"A", 1_000_000}:   {ns: 3000, bytes: 48},
		{"B", 1000}:        {ns: 150, bytes: 150},
		{"B", 10_000}:      {ns: 850, bytes: 100},
		{"B", 100_000}:     {ns: 8000, bytes: 64},
		{"B", 1_000_000}:   {ns: 150_000, bytes: 56},
		{"e100a1", 10_000}: {posetRatio: 50},
	}
}
