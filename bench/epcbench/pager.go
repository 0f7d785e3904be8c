package main

import (
	"fmt"
	"io"
	"os"

	"github.com/scbr/scbr/bench/epcbench/measure"
	"github.com/scbr/scbr/bench/epcmodel"
	"github.com/scbr/scbr/bench/ownpager"
	"github.com/scbr/scbr/enclave/epc/pager"
)

// pagerArgument makes this program the pager of another run of it; no flag is like it.
const pagerArgument = "serve-epc-pager"

// pagerSocket is the descriptor that a pager finds its other end at.
const pagerSocket = 3

// servePager is the whole work of a pager process.
func servePager(args []string, stderr io.Writer) int {
	if len(args) != 1 {
		_, _ = fmt.Fprintln(stderr, "epcbench: a pager is told its policy alone")
		return exitUsage
	}
	policy, err := pager.ParsePolicy(args[0])
	if err == nil {
		err = pager.Serve(os.NewFile(pagerSocket, "pager"), pager.Config{Policy: policy})
	}
	if err != nil {
		_, _ = fmt.Fprintln(stderr, "epcbench: pager:", err)
		return exitFailed
	}
	return exitOK
}

// startPager starts this program again as a pager for each store.
func startPager(policy epcmodel.Policy) func(size int) (measure.Region, error) {
	return func(size int) (measure.Region, error) {
		exe, err := os.Executable()
		if err != nil {
			return nil, err
		}
		region, err := ownpager.Start(exe, []string{pagerArgument, policy.String()}, size)
		if err != nil {
			return nil, err
		}
		region.EndWith(os.Stderr) // what waits for a page of a pager that has gone would wait for ever
		return region, nil
	}
}
