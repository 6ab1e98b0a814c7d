using System.Net;
using System.Net.Http.Headers;
using ChannelSdk.Install.Personalization;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Install.Data;

/// <summary>A server: an export sends to it by PUT, an import gets from it.</summary>
internal sealed class UrlPlace(PackageUrl url) : DataPlace
{
    public override PackageUrl Url => url;

    public override void Check(bool isExport)
    {
        // Only the server knows.
    }

    public override async Task<DataTarget> CreateAsync(DataMeans means, CancellationToken cancellationToken)
    {
        var upload = new Upload(url, means);
        try
        {
            await upload.BeginAsync(cancellationToken).ConfigureAwait(false);
            return upload;
        }
        catch
        {
            await upload.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    public override async Task<DataSource> OpenAsync(DataMeans means, CancellationToken cancellationToken) =>
        new Download(await PackageSource.OpenAsync(url, means.Credentials, means.Addresses, cancellationToken).ConfigureAwait(false));

    public override string ToString() => url.ToString();

    private sealed class Download(PackageSource source) : DataSource
    {
        public override long? Length => source.Length;

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken) => source.ReadAsync(buffer, cancellationToken);

        public override ValueTask DisposeAsync() => source.DisposeAsync();
    }

    /// <summary>A request whose body is written as it comes. Given up, its last chunk is never sent, so the server knows that it is not whole.</summary>
    private sealed class Upload : DataTarget
    {
        private readonly PackageUrl _url;
        private readonly HttpClient _client;
        private readonly HttpRequestMessage _request;
        private readonly Body _body = new();
        private readonly CancellationTokenSource _givenUp = new();
        private Task<HttpResponseMessage>? _sending;
        private Stream? _stream;

        public Upload(PackageUrl url, DataMeans means)
        {
            _url = url;
            var handler = PackageServer.Handler(means.Addresses);
            _body.Headers.ContentType = new MediaTypeHeaderValue("application/octet-stream");
            _request = new HttpRequestMessage(HttpMethod.Put, url.Uri)
            {
                Version = HttpVersion.Version11,
                VersionPolicy = HttpVersionPolicy.RequestVersionExact,
                Content = _body,
            };
            _request.Headers.TransferEncodingChunked = true;
            // A server that refuses it says so before anything is sent.
            _request.Headers.ExpectContinue = true;
            CredentialStream.Use(handler, _request, means.Credentials);
            _client = new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan };
        }

        public override Stream Stream => _stream!;

        public async Task BeginAsync(CancellationToken cancellationToken)
        {
            _sending = _client.SendAsync(_request, HttpCompletionOption.ResponseHeadersRead, _givenUp.Token);
            await Task.WhenAny(_body.Begun, _sending).WaitAsync(cancellationToken).ConfigureAwait(false);
            if (!_body.Begun.IsCompleted)
            {
                throw await ExplainAsync().ConfigureAwait(false) ?? new ChannelException(ChannelError.TransportFailed, ErrorClass.Retry, $"the server of {_url.What} {_url} has not asked for it");
            }

            _stream = await _body.Begun.ConfigureAwait(false);
        }

        public override async Task FinishAsync(CancellationToken cancellationToken)
        {
            await _stream!.FlushAsync(cancellationToken).WaitAsync(cancellationToken).ConfigureAwait(false);
            _body.End();
            await ((Task)_sending!).WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            cancellationToken.ThrowIfCancellationRequested();
            if (await ExplainAsync().ConfigureAwait(false) is { } refusal)
            {
                throw refusal;
            }
        }

        /// <summary>What the server said, or why it said nothing; null for a good answer, and before there is one.</summary>
        public override async Task<ChannelException?> ExplainAsync()
        {
            if (!_sending!.IsCompleted)
            {
                return null;
            }

            try
            {
                using var response = await _sending.ConfigureAwait(false);
                return response.IsSuccessStatusCode ? null : PackageServer.Refused(_url, response.StatusCode);
            }
            catch (HttpRequestException e)
            {
                return PackageServer.Unreachable(_url, e);
            }
        }

        public override async ValueTask DisposeAsync()
        {
            await _givenUp.CancelAsync().ConfigureAwait(false);
            _body.GiveUp();
            if (_sending is not null)
            {
                await ((Task)_sending).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }

            _client.Dispose();
            _request.Dispose();
            _givenUp.Dispose();
        }
    }

    /// <summary>The body of a request, which another writes.</summary>
    private sealed class Body : HttpContent
    {
        private readonly TaskCompletionSource<Stream> _begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <summary>The server takes it: where it is written.</summary>
        public Task<Stream> Begun => _begun.Task;

        public void End() => _ended.TrySetResult();

        public void GiveUp() => _ended.TrySetCanceled();

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            _begun.TrySetResult(stream);
            return _ended.Task;
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }
}
