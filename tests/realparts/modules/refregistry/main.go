// Command refregistry is an in-memory OCI registry that answers the referrers API.
//
// `crane registry serve` and distribution's registry answer 404 there, so tests of a registry that
// knows referrers need this one. It prints the address it listens on, and then nothing.
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
)

// version is set by the build.
var version = "unknown"

// headerTimeout keeps a client that never finishes its headers from holding a connection for ever.
const headerTimeout = 10 * time.Second

func main() {
	address := flag.String("address", "127.0.0.1:0", "host and port to listen on")
	certificate := flag.String("tls-cert", "", "certificate file; plain http where it is empty")
	key := flag.String("tls-key", "", "private key file of --tls-cert")
	page := flag.Int("page", 0, "most referrers in one answer; 0 gives all of them at once")
	showVersion := flag.Bool("version", false, "print the version and stop")
	flag.Parse()
	if *showVersion {
		fmt.Println("refregistry", version)
		return
	}
	if err := serve(*address, *certificate, *key, *page); err != nil {
		fmt.Fprintln(os.Stderr, "refregistry:", err)
		os.Exit(1)
	}
}

// serve answers until the process is stopped; it returns only on a fault.
func serve(address, certificate, key string, page int) error {
	if (certificate == "") != (key == "") {
		return fmt.Errorf("--tls-cert and --tls-key belong together: got %q and %q", certificate, key)
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	quiet := log.New(io.Discard, "", 0)
	images := registry.New(registry.Logger(quiet), registry.WithReferrersSupport(true))
	server := &http.Server{
		Handler:           referrers{images: images, page: page},
		ReadHeaderTimeout: headerTimeout,
		ErrorLog:          quiet,
	}
	if certificate == "" {
		return server.Serve(listener)
	}
	return server.ServeTLS(listener, certificate, key)
}
