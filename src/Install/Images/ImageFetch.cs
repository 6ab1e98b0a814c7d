using ChannelSdk.Host.Files;
using ChannelSdk.Install.Addresses;
using ChannelSdk.Install.Data;
using ChannelSdk.Install.Personalization;
using ChannelSdk.Install.Processes;
using ChannelSdk.Install.Records;
using ChannelSdk.Linux.Files;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Services.Files;

namespace ChannelSdk.Install.Images;

/// <summary>
/// Makes the image of an operation ready: fetched, and compared with its sum and signature. It is bytes here: this host never looks at what
/// is in an image.
/// </summary>
/// <param name="plan">The image.</param>
/// <param name="operation">Name of the operation.</param>
/// <param name="folder">For the operation's copy, if there has to be one; made here.</param>
/// <param name="addresses">The servers that it may come from.</param>
/// <param name="mostBytes">The largest image that is fetched.</param>
internal sealed class ImageFetch(ImagePlan plan, string operation, string folder, ServerAddresses addresses, long mostBytes)
{
    private const int PieceBytes = 1 << 20;
    private const int Sector = 512;
    private const UnixFileMode OthersWrite = UnixFileMode.GroupWrite | UnixFileMode.OtherWrite;

    /// <summary>Does it.</summary>
    /// <param name="meter">Told of what is read, if all of it is.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>The image, and its SHA-256 if all of it was read.</returns>
    /// <exception cref="ChannelException">It cannot be had, or is not what was asked for.</exception>
    public async Task<(ImageFile File, string? Sha256)> RunAsync(DataMeter meter, CancellationToken cancellationToken)
    {
        // These are small, and a mistake in them is told before much is fetched.
        var expected = plan.Options.Sha256;
        if (plan.Options.Sums is not null)
        {
            expected = Same(expected, await ImageSums.ReadAsync(plan, operation, folder, cancellationToken).ConfigureAwait(false));
        }

        var (file, sum) = await OpenAsync(meter, cancellationToken).ConfigureAwait(false);
        try
        {
            if (expected is not null && !string.Equals(expected, sum, StringComparison.OrdinalIgnoreCase))
            {
                throw new ChannelException(ChannelError.PermissionDenied, ErrorClass.Refused, $"the image {plan} is another than was asked for: its SHA-256 is {sum}, not {expected.ToLowerInvariant()}");
            }

            if (plan.Options is { Signature: not null, Sums: null })
            {
                await ImageSignature.RequireAsync(plan.Options, file.Path, operation, folder, cancellationToken).ConfigureAwait(false);
            }

            return (file, sum);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private async Task<(ImageFile File, string? Sha256)> OpenAsync(DataMeter meter, CancellationToken cancellationToken)
    {
        if (plan.Source.Url is { } url)
        {
            await using var source = await PackageSource.OpenAsync(url, null, addresses, cancellationToken).ConfigureAwait(false);
            return await CopyAsync(source.ReadAsync, source.Length, meter, cancellationToken).ConfigureAwait(false);
        }

        var file = await PackageFile.OpenAsync(plan.Source.File!, cancellationToken).ConfigureAwait(false);
        try
        {
            if (file.Length == 0)
            {
                throw Empty();
            }

            if (plan.Options.IsChecked && !IsOurs(file))
            {
                // Its owner could change it after it was checked.
                await using var source = file;
                return await CopyAsync(file.ReadAsync, file.Length, meter, cancellationToken).ConfigureAwait(false);
            }

            var image = new ImageFile(plan, file, file.Length);
            if (!plan.Options.IsChecked)
            {
                return (image, null);
            }

            meter.Expect((ulong)image.Bytes);
            return (image, await image.HashAsync(meter, cancellationToken).ConfigureAwait(false));
        }
        catch
        {
            await file.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Reads all of it into a file of the operation, with holes where it has zeros.</summary>
    private async Task<(ImageFile File, string? Sha256)> CopyAsync(
        Func<Memory<byte>, CancellationToken, ValueTask<int>> read, long? length, DataMeter meter, CancellationToken cancellationToken)
    {
        if (length > mostBytes)
        {
            throw TooLong();
        }

        meter.Expect((ulong?)length);
        PrivateFolder.Ensure(folder);
        var copy = new FileStream(Path.Combine(folder, "content"), new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.ReadWrite,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            BufferSize = 0,
        });
        try
        {
            var bytes = await FillAsync(copy, read, meter, cancellationToken).ConfigureAwait(false);
            return (new ImageFile(plan, copy, bytes), meter.Finish().Sha256);
        }
        catch (IOException e)
        {
            await copy.DisposeAsync().ConfigureAwait(false);
            throw new ChannelException(ChannelError.FailedPrecondition, ErrorClass.Retry, $"the image {plan} cannot be kept in {folder}: {FileFault.Describe(e)}", e);
        }
        catch
        {
            await copy.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    private async Task<long> FillAsync(FileStream copy, Func<Memory<byte>, CancellationToken, ValueTask<int>> read, DataMeter meter, CancellationToken cancellationToken)
    {
        var piece = new byte[PieceBytes];
        long bytes = 0;
        int count;
        do
        {
            // Full pieces begin at the beginning of a page, so that holes are found.
            for (count = 0; count < piece.Length;)
            {
                var more = await read(piece.AsMemory(count), cancellationToken).AsTask().WaitAsync(cancellationToken).ConfigureAwait(false);
                if (more == 0)
                {
                    break;
                }

                count += more;
            }

            if (bytes + count > mostBytes)
            {
                throw TooLong();
            }

            meter.Add(piece.AsSpan(0, count));
            for (var at = 0; DataRuns.TryNext(piece.AsSpan(0, count), at, out var run); at = run.End.Value)
            {
                RandomAccess.Write(copy.SafeFileHandle, piece.AsSpan(run), bytes + run.Start.Value);
            }

            bytes += count;
        }
        while (count == piece.Length);

        if (bytes == 0)
        {
            throw Empty();
        }

        // A disk has whole sectors.
        copy.SetLength((bytes + Sector - 1) / Sector * Sector);
        return bytes;
    }

    // Root's or this user's, and written by no other.
    private static bool IsOurs(FileStream file) =>
        LocalFile.OwnerOf(file.SafeFileHandle).Uid is var owner && (owner == 0 || owner == Linux.Native.ProcessCalls.GetEUid()) && (File.GetUnixFileMode(file.SafeFileHandle) & OthersWrite) == 0;

    private string Same(string? asked, string found) => asked is null || string.Equals(asked, found, StringComparison.OrdinalIgnoreCase) ? found
        : throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"the SHA-256 that is asked for the image {plan} is not the one in {plan.Options.Sums}");

    private ChannelException TooLong() => new(ChannelError.ResourceExhausted, ErrorClass.Refused, $"the image {plan} has more than {mostBytes} bytes, the most that this host fetches");

    private ChannelException Empty() => new(ChannelError.BadConfiguration, ErrorClass.Refused, $"the image {plan} is empty");
}
