// Package launch is what routerd does besides routing: it reads flags and file, starts enclaved as its child whenever the router asks for one and
// hands over the link, serves metrics, status and health over HTTP, takes reloads, tells a service manager, and says where the router
// listens.
//
// It runs on the untrusted host and is trusted by nobody. Its configuration is the operator's, and is checked to help. It promises that
// enclaved does not outlive it, that the link's socket is reachable for the same user only and gone once connected, that every fault of a
// configuration is told at once and changes nothing, and that how enclaved ended is told with its cause. When and how often enclaved is started
// again is package router's to decide.
package launch
