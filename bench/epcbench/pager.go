package main

import (
	"os"

	"github.com/scbr/scbr/bench/epcbench/measure"
	"github.com/scbr/scbr/bench/epcmodel"
	"github.com/scbr/scbr/bench/ownpager"
)

// startPager starts this program again as a pager for each store.
func startPager(policy epcmodel.Policy) func(size int) (measure.Region, error) {
	return func(size int) (measure.Region, error) {
		region, err := ownpager.Start(policy.String(), size)
		if err != nil {
			return nil, err
		}
		region.EndWith(os.Stderr) // what waits for a page of a pager that has gone would wait for ever
		return region, nil
	}
}
