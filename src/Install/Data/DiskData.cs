using ChannelSdk.Install.Personalization;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Install.Data;

/// <summary>Where the data of one disk is kept: an export writes it there, an import reads it from there.</summary>
public sealed class DiskData
{
    private readonly DataPlace _place;
    private readonly DataCompression _compression;

    private DiskData(DataPlace place, DataCompression compression) => (_place, _compression) = (place, compression);

    /// <summary>A file of this host. An export makes it, readable for its owner only, in the place of a former one; it has its name only once the operation has succeeded.</summary>
    /// <param name="path">Its path.</param>
    /// <param name="compression">How the data is packed there.</param>
    public static DiskData InFile(string path, DataCompression compression = DataCompression.None)
    {
        ArgumentNullException.ThrowIfNull(path);
        return new(new FilePlace(path), compression);
    }

    /// <summary>A URL: an export sends it by PUT, in chunks; an import gets it. The rules for the addresses of packages hold.</summary>
    /// <param name="url">http or https, at most 2,048 characters, without a user or password, which the request has (<see cref="Operations.InstallRequest.DataCredentials"/>).</param>
    /// <param name="compression">How the data is packed there.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: what is wrong with it.</exception>
    public static DiskData AtUrl(string url, DataCompression compression = DataCompression.None)
    {
        ArgumentNullException.ThrowIfNull(url);
        return new(new UrlPlace(PackageUrl.ParseData(url)), compression);
    }

    /// <summary>A stream of the caller's, from or to its end. What an export that fails has written stays in it.</summary>
    /// <param name="stream">Stays the caller's, and is used until the operation has ended.</param>
    /// <param name="compression">How the data is packed there.</param>
    public static DiskData OnStream(Stream stream, DataCompression compression = DataCompression.None)
    {
        ArgumentNullException.ThrowIfNull(stream);
        return new(new StreamPlace(stream), compression);
    }

    /// <summary>For a log or an error.</summary>
    public override string ToString() => _place.ToString()!;

    /// <summary>Where its server has it; null: there is none.</summary>
    internal PackageUrl? Url => _place.Url;

    /// <summary>What can be checked before an operation begins.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: what is wrong.</exception>
    internal void Check(bool isExport) => _place.Check(isExport);

    /// <summary>Where an export writes.</summary>
    /// <exception cref="ChannelException">Why it cannot.</exception>
    internal async Task<DataTarget> CreateAsync(DataMeans means, CancellationToken cancellationToken)
    {
        var target = await _place.CreateAsync(means, cancellationToken).ConfigureAwait(false);
        return _compression == DataCompression.Gzip ? new GzipTarget(target) : target;
    }

    /// <summary>What an import reads.</summary>
    /// <exception cref="ChannelException">Why it cannot.</exception>
    internal async Task<DataSource> OpenAsync(DataMeans means, CancellationToken cancellationToken)
    {
        var source = await _place.OpenAsync(means, cancellationToken).ConfigureAwait(false);
        return _compression == DataCompression.Gzip ? new GzipSource(source) : source;
    }
}
