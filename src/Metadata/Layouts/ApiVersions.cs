using System.Collections.Frozen;

namespace ChannelSdk.Metadata.Layouts;

/// <summary>The dated versions that the faces offer; all of a face show the same tree as its "latest".</summary>
internal static class ApiVersions
{
    public const string Latest = "latest";

    /// <summary>As EC2 lists them. Clients probe 2009-04-04, 2016-09-02, 2018-09-24 and 2021-03-23.</summary>
    public static readonly string[] Ec2 =
    [
        "1.0", "2007-01-19", "2007-03-01", "2007-08-29", "2007-10-10", "2007-12-15", "2008-02-01", "2008-09-01", "2009-04-04",
        "2011-01-01", "2011-05-01", "2012-01-12", "2014-02-25", "2014-11-05", "2015-10-20", "2016-04-19", "2016-06-30",
        "2016-09-02", "2018-03-28", "2018-08-17", "2018-09-24", "2019-10-01", "2020-10-27", "2021-01-03", "2021-03-23", "2021-07-15",
    ];

    /// <summary>As Nova lists them.</summary>
    public static readonly string[] OpenStack =
    [
        "2012-08-10", "2013-04-04", "2013-10-17", "2015-10-15", "2016-06-30", "2016-10-06", "2017-02-22", "2018-08-27", "2020-10-14",
    ];

    /// <summary>Ganeti's design names dated versions and ganeti-metad has none: this is the layout's first.</summary>
    public static readonly string[] Ganeti = ["2014-01-01"];

    private static readonly FrozenSet<string>.AlternateLookup<ReadOnlySpan<char>> s_ec2Set = Set(Ec2);
    private static readonly FrozenSet<string>.AlternateLookup<ReadOnlySpan<char>> s_openStackSet = Set(OpenStack);
    private static readonly FrozenSet<string>.AlternateLookup<ReadOnlySpan<char>> s_ganetiSet = Set(Ganeti);

    public static bool IsEc2(ReadOnlySpan<char> version) => s_ec2Set.Contains(version);

    public static bool IsOpenStack(ReadOnlySpan<char> version) => s_openStackSet.Contains(version);

    public static bool IsGaneti(ReadOnlySpan<char> version) => s_ganetiSet.Contains(version);

    private static FrozenSet<string>.AlternateLookup<ReadOnlySpan<char>> Set(string[] versions) =>
        versions.ToFrozenSet(StringComparer.Ordinal).GetAlternateLookup<ReadOnlySpan<char>>();
}
