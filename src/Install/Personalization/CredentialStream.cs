using System.Net.Http.Headers;
using System.Text;

namespace ChannelSdk.Install.Personalization;

/// <summary>
/// A connection to a server on which the credentials take the place of a placeholder in the Authorization line of its first request, and
/// nowhere else: a URL or a body may hold the word, too. An HTTP client keeps headers as
/// text and in buffers of its own, where they could not be wiped.
/// </summary>
internal sealed class CredentialStream(Stream connection, PackageCredentials credentials) : Stream
{
    /// <summary>The placeholder: the value of the Authorization header.</summary>
    public const string Placeholder = "channelsdk-credentials";

    private static readonly byte[] s_before = Encoding.ASCII.GetBytes("\r\nAuthorization: ");
    private static readonly byte[] s_line = [.. s_before, .. Encoding.ASCII.GetBytes(Placeholder + "\r\n")];
    private bool _isGiven;

    /// <summary>Lets the one request of a handler have credentials; null: it has none.</summary>
    public static void Use(SocketsHttpHandler handler, HttpRequestMessage request, PackageCredentials? credentials)
    {
        if (credentials is not null)
        {
            handler.PlaintextStreamFilter = (context, _) => ValueTask.FromResult<Stream>(new CredentialStream(context.PlaintextStream, credentials));
            request.Headers.Authorization = new AuthenticationHeaderValue(Placeholder);
        }
    }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => connection.ReadAsync(buffer, cancellationToken);

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => connection.ReadAsync(buffer, offset, count, cancellationToken);

    public override int Read(byte[] buffer, int offset, int count) => connection.Read(buffer, offset, count);

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        // The head of a request is one write of the client, and the first. A body may hold the line, too.
        var at = _isGiven ? -1 : buffer.Span.IndexOf(s_line);
        _isGiven = true;
        if (at < 0)
        {
            await connection.WriteAsync(buffer, cancellationToken).ConfigureAwait(false);
            return;
        }

        using var header = credentials.ToHeader();
        await connection.WriteAsync(buffer[..(at + s_before.Length)], cancellationToken).ConfigureAwait(false);
        await connection.WriteAsync(header.Memory, cancellationToken).ConfigureAwait(false);
        await connection.WriteAsync(buffer[(at + s_line.Length - 2)..], cancellationToken).ConfigureAwait(false);
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Flush() => connection.Flush();

    public override Task FlushAsync(CancellationToken cancellationToken) => connection.FlushAsync(cancellationToken);

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            connection.Dispose();
        }

        base.Dispose(disposing);
    }
}
