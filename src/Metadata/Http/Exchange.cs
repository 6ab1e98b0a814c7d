using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace ChannelSdk.Metadata.Http;

/// <summary>One request and its answer, without what a web framework has around them.</summary>
/// <param name="features">Kestrel's features of the request.</param>
internal readonly struct Exchange(IFeatureCollection features)
{
    private readonly IFeatureCollection _features = features;

    public IHttpRequestFeature Request { get; } = features.GetRequiredFeature<IHttpRequestFeature>();

    public IHttpResponseFeature Response { get; } = features.GetRequiredFeature<IHttpResponseFeature>();

    public IHttpResponseBodyFeature ResponseBody => _features.GetRequiredFeature<IHttpResponseBodyFeature>();

    public CancellationToken Aborted => _features.GetRequiredFeature<IHttpRequestLifetimeFeature>().RequestAborted;

    public InstanceConnection Connection { get; } = features.GetRequiredFeature<InstanceConnection>();

    public MetadataInstance Instance => Connection.Instance;

    /// <summary>The socket of a request that came by TCP; null: it came another way.</summary>
    public Socket? Socket => Connection.Socket;

    public bool IsRead => Request.Method == HttpMethods.Get || IsHead;

    public bool IsHead => Request.Method == HttpMethods.Head;

    /// <summary>An answer without a body.</summary>
    public Task AnswerAsync(int status)
    {
        Response.StatusCode = status;
        Response.Headers.ContentLength = status is StatusCodes.Status304NotModified ? null : 0;
        return Task.CompletedTask;
    }

    /// <summary>405 with what is allowed.</summary>
    public Task NotAllowedAsync(string allowed)
    {
        Response.Headers.Allow = allowed;
        return AnswerAsync(StatusCodes.Status405MethodNotAllowed);
    }

    /// <summary>Header and bytes, in one write.</summary>
    public Task AnswerAsync(ReadOnlyMemory<byte> body, Microsoft.Extensions.Primitives.StringValues contentType)
    {
        Response.Headers.ContentType = contentType;
        Response.Headers.ContentLength = body.Length;
        if (IsHead || body.IsEmpty)
        {
            return Task.CompletedTask;
        }

        var written = ResponseBody.Writer.WriteAsync(body);
        if (!written.IsCompletedSuccessfully)
        {
            return written.AsTask();
        }

        _ = written.Result;
        return Task.CompletedTask;
    }

    /// <summary>The request's body, of at most so many bytes. Longer ones end in a BadHttpRequestException with 413.</summary>
    public async Task<byte[]> ReadBodyAsync(int most)
    {
        if (_features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size)
        {
            size.MaxRequestBodySize = most;
        }

        using var body = new MemoryStream();
        try
        {
            await Request.Body.CopyToAsync(body, Aborted).ConfigureAwait(false);
        }
        catch (IOException e) when (e is not (BadHttpRequestException or ConnectionResetException))
        {
            // A chunk's size of more bits than Kestrel counts with.
            throw new BadHttpRequestException("the body's chunks are not readable", StatusCodes.Status400BadRequest, e);
        }

        return body.ToArray();
    }

    /// <summary>Ends the connection; for an answer that has begun and cannot be ended.</summary>
    public void Abort() => _features.GetRequiredFeature<IHttpRequestLifetimeFeature>().Abort();
}
