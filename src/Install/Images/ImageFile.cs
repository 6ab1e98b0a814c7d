using System.Globalization;
using ChannelSdk.Install.Data;

namespace ChannelSdk.Install.Images;

/// <summary>An image that is ready to be attached: an open file, which stays the same one whatever becomes of its name.</summary>
/// <param name="plan">What it is.</param>
/// <param name="file">The file, from its beginning; closed with this.</param>
/// <param name="bytes">How many bytes of it are the image's.</param>
internal sealed class ImageFile(ImagePlan plan, FileStream file, long bytes) : IDisposable
{
    private const int PieceBytes = 1 << 20;

    /// <summary>What it is.</summary>
    public ImagePlan Plan => plan;

    /// <summary>How many bytes it has.</summary>
    public long Bytes => bytes;

    /// <summary>A path by which other programs of this user and of root open this very file, until it is closed.</summary>
    public string Path => string.Create(CultureInfo.InvariantCulture, $"/proc/{Environment.ProcessId}/fd/{(int)file.SafeFileHandle.DangerousGetHandle()}");

    /// <summary>Reads all of it for its SHA-256.</summary>
    public async Task<string> HashAsync(DataMeter meter, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(meter);
        var buffer = new byte[PieceBytes];
        var handle = file.SafeFileHandle;
        for (long at = 0; at < bytes;)
        {
            // A read of a file system that hangs does not end by its token.
            var count = await RandomAccess.ReadAsync(handle, buffer.AsMemory(0, (int)Math.Min(buffer.Length, bytes - at)), at, cancellationToken).AsTask().WaitAsync(cancellationToken).ConfigureAwait(false);
            if (count == 0)
            {
                break;
            }

            meter.Add(buffer.AsSpan(0, count));
            at += count;
        }

        return meter.Finish().Sha256;
    }

    /// <inheritdoc/>
    public void Dispose() => file.Dispose();
}
