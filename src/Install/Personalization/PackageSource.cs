using System.Net;
using ChannelSdk.Install.Addresses;
using ChannelSdk.Linux.Files;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Install.Personalization;

/// <summary>
/// The bytes of a personalization package, of a disk's data, or of an OS image, as they come. A server that ends before the length that it told, or a file that
/// becomes shorter, is an error and no short package.
/// </summary>
internal sealed class PackageSource : IAsyncDisposable
{
    private const int MaxRedirects = 5;
    private readonly PackageUrl _url;
    private readonly Stream _content;
    private readonly long? _length;
    private readonly IDisposable? _owner;
    private long _read;

    private PackageSource(PackageUrl url, Stream content, long? length, IDisposable? owner) => (_url, _content, _length, _owner) = (url, content, length, owner);

    /// <summary>Whether it can be had, by the rules of <see cref="OpenAsync"/>: nothing of it is read.</summary>
    /// <exception cref="ChannelException">As <see cref="OpenAsync"/>; also that nothing answers within a time.</exception>
    public static async Task RequireAsync(PackageUrl url, PackageCredentials? credentials, ServerAddresses addresses, TimeSpan within, CancellationToken cancellationToken)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        ending.CancelAfter(within);
        try
        {
            await using var source = await OpenHeadAsync(url, credentials, addresses, ending.Token).ConfigureAwait(false)
                ?? await OpenAsync(url, credentials, addresses, ending.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new ChannelException(ChannelError.TransportFailed, ErrorClass.Retry, $"nothing answered for the personalization package {url} within {within.TotalSeconds:0.#} s", e);
        }
    }

    /// <summary>Opens the file, or asks the server.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.NotFound"/>, <see cref="ChannelError.PermissionDenied"/>, <see cref="ChannelError.TransportFailed"/>: what the file system or the server says.</exception>
    public static Task<PackageSource> OpenAsync(PackageUrl url, PackageCredentials? credentials, ServerAddresses addresses, CancellationToken cancellationToken) =>
        url.Uri.IsFile ? OpenFileAsync(url, cancellationToken) : AskAsync(HttpMethod.Get, url, credentials, addresses, cancellationToken);

    /// <summary>How many bytes it has, if that is known.</summary>
    public long? Length => _length;

    /// <summary>The next bytes; 0: the end.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.TransportFailed"/>: it was cut in the middle.</exception>
    public async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        int count;
        try
        {
            // A read of a file system that hangs does not end by its token.
            count = await _content.ReadAsync(buffer, cancellationToken).AsTask().WaitAsync(cancellationToken).ConfigureAwait(false);
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

    private static async Task<PackageSource?> OpenHeadAsync(PackageUrl url, PackageCredentials? credentials, ServerAddresses addresses, CancellationToken cancellationToken)
    {
        try
        {
            return url.Uri.IsFile ? null : await AskAsync(HttpMethod.Head, url, credentials, addresses, cancellationToken).ConfigureAwait(false);
        }
        catch (ChannelException)
        {
            // A server may not know HEAD, or take a signed URL for GET alone: what it says to that counts.
            return null;
        }
    }

    private static async Task<PackageSource> OpenFileAsync(PackageUrl url, CancellationToken cancellationToken)
    {
        try
        {
            var file = await PackageFile.OpenAsync(url.Uri.LocalPath, cancellationToken).ConfigureAwait(false);
            return new PackageSource(url, file, file.Length, null);
        }
        catch (Exception e) when (e is ChannelException or IOException or UnauthorizedAccessException)
        {
            throw new ChannelException((e as ChannelException)?.Code ?? ChannelError.PermissionDenied, ErrorClass.Refused, $"{url.What} {url} cannot be read: {FileFault.Describe(e)}", e);
        }
    }

    private static async Task<PackageSource> AskAsync(HttpMethod method, PackageUrl first, PackageCredentials? credentials, ServerAddresses addresses, CancellationToken cancellationToken)
    {
        var url = first;
        for (var redirects = 0; redirects <= MaxRedirects; redirects++)
        {
            // Credentials are for the server that they were given for, however a chain comes back to it.
            var (client, response) = await AskOneAsync(method, url, url.HasOriginOf(first) ? credentials : null, addresses, cancellationToken).ConfigureAwait(false);
            try
            {
                if (response.IsSuccessStatusCode)
                {
                    var content = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
                    return new PackageSource(first, content, response.Content.Headers.ContentLength, client);
                }

                url = (int)response.StatusCode is 301 or 302 or 303 or 307 or 308 && response.Headers.Location is { } next
                    ? url.Redirect(next) : throw PackageServer.Refused(url, response.StatusCode);
            }
            catch
            {
                client.Dispose();
                throw;
            }

            client.Dispose();
        }

        throw new ChannelException(ChannelError.TransportFailed, ErrorClass.Refused, $"the server of {first.What} {first} redirects more than {MaxRedirects} times");
    }

    private static async Task<(HttpClient Client, HttpResponseMessage Response)> AskOneAsync(HttpMethod method, PackageUrl url, PackageCredentials? credentials, ServerAddresses addresses, CancellationToken cancellationToken)
    {
        var handler = PackageServer.Handler(addresses);
        using var request = new HttpRequestMessage(method, url.Uri) { Version = HttpVersion.Version11, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
        CredentialStream.Use(handler, request, credentials);
        var client = new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan };
        try
        {
            return (client, await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken).ConfigureAwait(false));
        }
        catch (HttpRequestException e)
        {
            client.Dispose();
            throw PackageServer.Unreachable(url, e);
        }
        catch
        {
            client.Dispose();
            throw;
        }
    }

    private ChannelException Cut(Exception? inner) => new(ChannelError.TransportFailed, ErrorClass.Retry,
        $"{_url.What} {_url} was cut after {_read}{(_length is { } length ? $" of {length}" : "")} bytes", inner);
}
