// Package dataset embeds SCBR's own sample: 1,000 subscriptions and 10,000 stock
// quotes. Origin and licence are beside the files. It promises the bytes as
// published; what they mean is the reader's business.
package dataset

import _ "embed" // for the files below

// Subscriptions is s1k.txt, one subscription a line.
//
//go:embed s1k.txt
var Subscriptions string

// Publications is p10k.txt, one publication a line.
//
//go:embed p10k.txt
var Publications string

// Pairs is the number of distinct pairs (publication, subscription id) in
// which the publication matches a filter of that subscription.
const Pairs = 17517
