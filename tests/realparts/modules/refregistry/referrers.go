package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"sort"
)

// referrersPath is the referrers API of a repository, for one digest.
var referrersPath = regexp.MustCompile(`^(/v2/.+)/referrers/[^/]+$`)

// referrers makes the answers of the referrers API what the OCI distribution specification 1.1
// says. By itself the library gives the media type of the configuration as the artifact type, also
// where the manifest names one, ignores the filter, and answers in a random order.
type referrers struct {
	images http.Handler
	page   int
}

// index is an OCI image index of which only the list matters here.
type index struct {
	SchemaVersion int              `json:"schemaVersion"`
	MediaType     string           `json:"mediaType"`
	Manifests     []map[string]any `json:"manifests"`
}

func (r referrers) ServeHTTP(response http.ResponseWriter, request *http.Request) {
	path := referrersPath.FindStringSubmatch(request.URL.Path)
	if path == nil || request.Method != http.MethodGet {
		r.images.ServeHTTP(response, request)
		return
	}
	inner := r.get(request, request.URL.Path)
	var list index
	if inner.Code != http.StatusOK || json.Unmarshal(inner.Body.Bytes(), &list) != nil {
		r.images.ServeHTTP(response, request)
		return
	}
	for _, each := range list.Manifests {
		manifest := r.get(request, fmt.Sprintf("%s/manifests/%s", path[1], each["digest"]))
		each["artifactType"] = artifactType(manifest.Body.Bytes(), each["artifactType"])
	}
	r.answer(response, request, list)
}

// answer writes the part of the list that was asked for.
func (r referrers) answer(response http.ResponseWriter, request *http.Request, list index) {
	query := request.URL.Query()
	wanted, after := query.Get("artifactType"), query.Get("last")
	chosen := []map[string]any{}
	for _, each := range list.Manifests {
		if (wanted == "" || each["artifactType"] == wanted) && digest(each) > after {
			chosen = append(chosen, each)
		}
	}
	sort.Slice(chosen, func(i, j int) bool { return digest(chosen[i]) < digest(chosen[j]) })
	if wanted != "" {
		response.Header().Set("OCI-Filters-Applied", "artifactType")
	}
	if r.page > 0 && len(chosen) > r.page {
		chosen = chosen[:r.page]
		query.Set("last", digest(chosen[r.page-1]))
		next := request.URL.Path + "?" + query.Encode()
		response.Header().Set("Link", fmt.Sprintf(`<%s>; rel="next"`, next))
	}
	list.Manifests = chosen
	response.Header().Set("Content-Type", list.MediaType)
	if err := json.NewEncoder(response).Encode(list); err != nil {
		return // The client has gone.
	}
}

// get asks the library, as the client that asked us.
func (r referrers) get(request *http.Request, path string) *httptest.ResponseRecorder {
	inner := request.Clone(request.Context())
	inner.URL.Path, inner.URL.RawQuery = path, ""
	recorder := httptest.NewRecorder()
	r.images.ServeHTTP(recorder, inner)
	return recorder
}

// artifactType is the manifest's own, or else what the library said.
func artifactType(manifest []byte, otherwise any) any {
	var named struct {
		ArtifactType string `json:"artifactType"`
	}
	if json.Unmarshal(manifest, &named) != nil || named.ArtifactType == "" {
		return otherwise
	}
	return named.ArtifactType
}

// digest is the one of a descriptor.
func digest(descriptor map[string]any) string {
	text, _ := descriptor["digest"].(string)
	return text
}
