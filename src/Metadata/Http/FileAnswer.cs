using System.Globalization;
using ChannelSdk.Linux.Files;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace ChannelSdk.Metadata.Http;

/// <summary>A file of the host as an answer, read while it is sent.</summary>
internal static class FileAnswer
{
    private const int TypeMask = 0xF000;
    private const int RegularFile = 0x8000;

    public static async Task WriteAsync(Exchange exchange, string path, StringValues contentType)
    {
        FileInfo file;
        try
        {
            file = new FileInfo(File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? path);
            // Only a regular one: opening a named pipe would block a thread.
            if (FileIdentity.Of(file.FullName) is not { } found || (found.Mode & TypeMask) != RegularFile)
            {
                await exchange.AnswerAsync(StatusCodes.Status404NotFound).ConfigureAwait(false);
                return;
            }

            using var readable = File.OpenHandle(file.FullName);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            await exchange.AnswerAsync(StatusCodes.Status404NotFound).ConfigureAwait(false);
            return;
        }

        var tag = string.Create(CultureInfo.InvariantCulture, $"{file.Length:x}-{file.LastWriteTimeUtc.Ticks:x}");
        exchange.Response.Headers.ETag = $"\"{tag}\"";
        if (EntityTags.Match(exchange.Request.Headers.IfNoneMatch, tag))
        {
            await exchange.AnswerAsync(StatusCodes.Status304NotModified).ConfigureAwait(false);
            return;
        }

        exchange.Response.Headers.ContentType = contentType;
        exchange.Response.Headers.ContentLength = file.Length;
        if (!exchange.IsHead && file.Length > 0)
        {
            await exchange.ResponseBody.SendFileAsync(file.FullName, 0, file.Length, exchange.Aborted).ConfigureAwait(false);
        }
    }
}
