using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace ChannelSdk.Architecture.Tests;

/// <summary>
/// The unit lane, which <c>./test --fast</c> runs: a class of tests that starts processes or makes networks, itself or by a helper, has
/// the trait of the integration lane. One that takes seconds for another reason has it too, which a test cannot tell.
/// </summary>
public partial class LaneTests
{
    private const string Trait = "[Trait(Lane.Name, Lane.Integration)]";

    /// <summary>It removes folders with a program, in milliseconds; the rigs that use it are those of fast tests.</summary>
    private const string Exempt = "RawFolder.cs";

    public static TheoryData<string> Projects =>
    [
        .. Directory.EnumerateDirectories(Path.Combine(Product.Root, "tests"), "*.Tests").Where(static folder => LaneOf(folder) is null).Select(static folder => Path.GetFileName(folder)).Order(),
    ];

    [Theory]
    [MemberData(nameof(Projects))]
    public void A_class_of_tests_that_starts_processes_is_not_in_the_unit_lane(string project)
    {
        var files = Product.Sources($"tests/{project}").Concat(Product.Sources("tests/Testing"))
            .Where(static file => Path.GetFileName(file) is not (Exempt or nameof(LaneTests) + ".cs")).ToDictionary(static file => file, File.ReadAllText);
        var slow = files.Where(static file => Starts().IsMatch(file.Value)).Select(static file => file.Key).ToHashSet();
        for (var before = -1; before < slow.Count;)
        {
            before = slow.Count;
            var helpers = slow.Where(file => !IsTest(files[file])).SelectMany(file => Types().Matches(files[file]).Select(static match => match.Groups[1].Value)).ToArray();
            slow.UnionWith(files.Where(file => helpers.Any(helper => Regex.IsMatch(file.Value, $@"\b{helper}\b"))).Select(static file => file.Key));
        }

        var wrong = slow.Where(file => IsTest(files[file]) && !files[file].Contains(Trait, StringComparison.Ordinal)).Select(static file => Path.GetRelativePath(Product.Root, file)).Order();
        Assert.Empty(wrong);
    }

    [Fact]
    public void Each_project_of_tests_is_in_a_lane_that_there_is()
    {
        var lanes = Directory.EnumerateDirectories(Path.Combine(Product.Root, "tests"), "*.Tests").Select(LaneOf).ToArray();
        Assert.All(lanes, static lane => Assert.Contains(lane, new[] { null, "integration", "boots" }));
        Assert.Equal(3, lanes.Distinct().Count());
    }

    /// <summary>The lane of a project whose tests are all in one; null: its classes tell.</summary>
    private static string? LaneOf(string folder) => XDocument.Load(Directory.EnumerateFiles(folder, "*.csproj").Single()).Descendants("TestLane").SingleOrDefault()?.Value;

    private static bool IsTest(string source) => source.Contains("[Fact", StringComparison.Ordinal) || source.Contains("[Theory", StringComparison.Ordinal);

    [GeneratedRegex(@"\bProcess\.Start\(|\bnew Process\b|\bProcessStartInfo\b|\bChildProcess\.Run|\b(?:HostProcess|QemuProcess|ProcessSpawn)\.Start|\bSetNamespace\(|\bNetwork\.SetUp\(")]
    private static partial Regex Starts();

    [GeneratedRegex(@"^(?:public|internal)[\w ]* (?:class|struct|record) (\w+)", RegexOptions.Multiline)]
    private static partial Regex Types();
}
