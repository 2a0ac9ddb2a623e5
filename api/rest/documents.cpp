#include "api/chain/chain_service.hpp"
#include "api/documents_embedded.hpp"
#include "api/rest/handlers.hpp"
#include "api/stream/render.hpp"

namespace millrace::api::rest {

Task<HttpResponse> get_openapi(RestContext&, RestRequest) {
    co_return HttpResponse{200, "application/json", std::string(kOpenApi), {}};
}

Task<HttpResponse> get_asyncapi(RestContext&, RestRequest) {
    co_return HttpResponse{200, "application/json", std::string(kAsyncApi), {}};
}

Task<HttpResponse> get_llms_text(RestContext&, RestRequest) {
    co_return HttpResponse{200, "text/plain; charset=utf-8", std::string(kLlmsText), {}};
}

Task<HttpResponse> get_networks(RestContext& context, RestRequest) {
    co_return HttpResponse{200,
                           "application/json",
                           stream::server_info(context.config, context.chain.receiver_authorizer()),
                           {}};
}

}  // namespace millrace::api::rest
