using System.Net;
using System.Net.Http.Headers;
using ChannelSdk.Protocol;

namespace ChannelSdk.HostEndpoint.Install;

/// <summary>
/// The bytes of a personalization package as they come. A server that ends before the length that it told, or a file that
/// becomes shorter, is an error and no short package.
/// </summary>
internal sealed class PackageSource : IAsyncDisposable
{
    private const int MaxRedirects = 5;
    private static readonly TimeSpan ConnectTime = TimeSpan.FromSeconds(30);
    private readonly PackageUrl _url;
    private readonly Stream _content;
    private readonly long? _length;
    private readonly IDisposable? _owner;
    private long _read;

    private PackageSource(PackageUrl url, Stream content, long? length, IDisposable? owner) => (_url, _content, _length, _owner) = (url, content, length, owner);

    /// <summary>Opens the file, or asks the server.</summary>
    /// <exception cref="ChannelException">NotFound, PermissionDenied, TransportFailed: what the file system or the server says.</exception>
    public static Task<PackageSource> OpenAsync(PackageUrl url, PackageCredentials? credentials, CancellationToken cancellationToken) =>
        url.Uri.IsFile ? Task.FromResult(OpenFile(url)) : AskAsync(url, credentials, cancellationToken);

    /// <summary>The next bytes; 0: the end.</summary>
    /// <exception cref="ChannelException">TransportFailed: it was cut in the middle.</exception>
    public async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        int count;
        try
        {
            count = await _content.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or HttpRequestException)
        {
            throw Cut(e);
        }

        _read += count;
        return count > 0 || _length is null || _read >= _length ? count : throw Cut(null);
    }

    public async ValueTask DisposeAsync()
    {
        await _content.DisposeAsync().ConfigureAwait(false);
        _owner?.Dispose();
    }

    private static PackageSource OpenFile(PackageUrl url)
    {
        try
        {
            var file = new FileStream(url.Uri.LocalPath, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0);
            return new PackageSource(url, file, file.CanSeek ? file.Length : null, null);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ChannelException(e is FileNotFoundException or DirectoryNotFoundException ? ChannelError.NotFound : ChannelError.PermissionDenied,
                ErrorClass.Refused, $"the personalization package {url} cannot be read: {e.Message}", e);
        }
    }

    private static async Task<PackageSource> AskAsync(PackageUrl url, PackageCredentials? credentials, CancellationToken cancellationToken)
    {
        var handler = new SocketsHttpHandler { MaxAutomaticRedirections = MaxRedirects, ConnectTimeout = ConnectTime, UseCookies = false, AutomaticDecompression = DecompressionMethods.None };
        using var request = new HttpRequestMessage(HttpMethod.Get, url.Uri) { Version = HttpVersion.Version11, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
        if (credentials is not null)
        {
            handler.PlaintextStreamFilter = (context, _) => ValueTask.FromResult<Stream>(new CredentialStream(context.PlaintextStream, credentials));
            request.Headers.Authorization = new AuthenticationHeaderValue(CredentialStream.Placeholder);
        }

        var client = new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan };
        try
        {
            var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken).ConfigureAwait(false);
            if (!response.IsSuccessStatusCode)
            {
                throw Refused(url, response.StatusCode);
            }

            return new PackageSource(url, await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false), response.Content.Headers.ContentLength, client);
        }
        catch (HttpRequestException e)
        {
            client.Dispose();
            throw new ChannelException(ChannelError.TransportFailed, ErrorClass.Retry, $"the server of the personalization package {url} cannot be reached: {e.HttpRequestError}", e);
        }
        catch
        {
            client.Dispose();
            throw;
        }
    }

    private static ChannelException Refused(PackageUrl url, HttpStatusCode status) => new(
        status is HttpStatusCode.NotFound or HttpStatusCode.Gone ? ChannelError.NotFound
            : status is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden ? ChannelError.PermissionDenied : ChannelError.TransportFailed,
        ErrorClass.Refused, $"the server answered {(int)status} ({status}) for the personalization package {url}");

    private ChannelException Cut(Exception? inner) => new(ChannelError.TransportFailed, ErrorClass.Retry,
        $"the personalization package {_url} was cut after {_read}{(_length is { } length ? $" of {length}" : "")} bytes", inner);
}
